#include "distill/run.h"

#include <unistd.h>

#include <iostream>

#include "distill/check.h"
#include "distill/commands/command_line.h"
#include "distill/device.h"
#include "distill/interrupt.h"

namespace distill {

int run_command(const Words& words) {
  std::string file;
  std::vector<std::string> overrides;
  bool resume = false, overwrite = false;
  CommandLine line(
      "decant run FILE [key.path=value ...]",
      "Does what a run file says: see docs/configuration.md. Ctrl-C finishes the update "
      "and writes a checkpoint.");
  line.option("file", value(&file)->required(), "the run file (YAML)");
  line.option("set", value(&overrides), "key.path=value: lays a value over the run file's");
  line.flag("resume", &resume, "go on with the run that the folder holds");
  line.flag("overwrite", &overwrite, "begin anew where the folder holds a run");
  line.positional("file", 1);
  line.positional("set", -1);
  if (!line.read(words)) return 0;
  if (resume && overwrite) throw ConfigError("decant run: either --resume or --overwrite");

  const RunConfig run = load_run_config(file, overrides);
  require_runnable(run);
  const Existing existing = resume      ? Existing::kResume
                            : overwrite ? Existing::kOverwrite
                                        : Existing::kRefuse;
  ProgressDisplay display(std::cout, is_terminal(STDOUT_FILENO));
  const InterruptGuard guard;
  const bool done = execute(
      run, existing, display, std::cout, [&] { return guard.interrupted(); }, run_stage);
  return done ? 0 : kInterrupted;
}

}  // namespace distill

#include "distill/check.h"

#include <iostream>

#include "distill/commands/command_line.h"

namespace distill {

int check_command(const Words& words) {
  std::string file;
  std::vector<std::string> overrides;
  CommandLine line("decant check FILE [key.path=value ...]",
                   "Finds everything that `run` would refuse, without running.");
  line.option("file", value(&file)->required(), "the run file (YAML)");
  line.option("set", value(&overrides), "key.path=value: lays a value over the run file's");
  line.positional("file", 1);
  line.positional("set", -1);
  if (!line.read(words)) return 0;

  const CheckReport report = check(load_run_config(file, overrides), /*is_thorough=*/true);
  for (const std::string& fact : report.facts) std::cout << fact << '\n';
  for (const std::string& problem : report.problems) std::cerr << problem << '\n';
  if (!report.problems.empty()) return 2;
  std::cout << file << ": can be run\n";
  return 0;
}

}  // namespace distill

#include "distill/commands/command_line.h"
#include "distill/commands/jsonl.h"
#include "envs/token/tokenizer.h"

namespace distill {

int tokenize_command(const Words& words) {
  std::string model, input, output;
  bool no_special = false;
  CommandLine line("decant tokenize --model DIR --input FILE --output FILE",
                   "Turns the `text` of each line into `ids`, and those back into `decoded`.");
  line.option("model", value(&model)->required(), "a folder with a tokenizer, or its file");
  line.option("input", value(&input)->required(), "jsonl with `text`");
  line.option("output", value(&output)->required(), "jsonl with `ids` and `decoded`");
  line.flag("no-special", &no_special, "add no special tokens, and leave them out of `decoded`");
  if (!line.read(words)) return 0;

  const auto tokenizer = envs::load_tokenizer(model);
  OutputFile out(output);
  for_each_line(input, [&](const JsonLine& record) {
    const std::vector<int64_t> ids = tokenizer->encode(record.text("text"), !no_special);
    out.write({{"ids", ids}, {"decoded", tokenizer->decode(ids, no_special)}});
  });
  out.finish();
  return 0;
}

}  // namespace distill

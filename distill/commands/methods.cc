#include <algorithm>
#include <iostream>

#include "distill/commands/command_line.h"
#include "distill/registry.h"

namespace distill {
namespace {

void list() {
  size_t width = 0;
  for (const MethodEntry& method : methods()) width = std::max(width, method.name.size());
  for (const MethodEntry& method : methods()) {
    const std::string blank(width + 2 - method.name.size(), ' ');
    std::cout << method.name << blank << method.summary << " (" << method.source << ")\n";
  }
}

void describe(const MethodEntry& method, bool expand) {
  std::cout << method.name << ": " << method.summary << "\nsource: " << method.source << '\n';
  if (expand) {
    std::cout << "\nwhat it is made of:\n\n";
    for (const StageSpec& stage : method.build({}).stages) {
      Options custom{{"name", "custom"}};
      const Options parts = to_options(stage.agent);
      for (const auto& entry : parts.entries()) custom.set(entry.name, entry.value);
      const Options page{{"method", custom}};
      std::cout << to_yaml(method.has_kinds ? Options{{stage.name, page}} : page);
    }
    return;
  }
  std::cout << "\noptions and their defaults:\n\n"
            << to_yaml({{"method", [&] {
                           Options out{{"name", std::string(method.name)}};
                           const Options defaults = defaults_of(method);
                           for (const auto& entry : defaults.entries()) {
                             out.set(entry.name, entry.value);
                           }
                           return out;
                         }()}});
}

}  // namespace

int methods_command(const Words& words) {
  std::string name;
  bool expand = false;
  CommandLine line("decant methods [NAME]",
                   "The methods there are; with NAME, its options and their defaults.");
  line.option("name", value(&name), "a method");
  line.flag("expand", &expand, "what the method is made of, with its defaults");
  line.positional("name", 1);
  if (!line.read(words)) return 0;
  if (name.empty()) {
    list();
  } else {
    describe(find_method(name), expand);
  }
  return 0;
}

}  // namespace distill

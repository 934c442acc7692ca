#include "distill/commands/commands.h"

#include <algorithm>
#include <array>
#include <exception>
#include <iostream>

#include "distill/options.h"

namespace distill {
namespace {

constexpr std::array kCommands = {
    CommandEntry{"run", "do what a run file says", run_command},
    CommandEntry{"check", "find everything that run would refuse", check_command},
    CommandEntry{"generate", "continue prompts", generate_command},
    CommandEntry{"score", "negative log-likelihood of texts", score_command},
    CommandEntry{"tokenize", "texts to ids and back", tokenize_command},
    CommandEntry{"tokenizer", "train a tokenizer", tokenizer_command},
    CommandEntry{"logits", "a model's logits of ids", logits_command},
    CommandEntry{"solve", "what a small world is worth, exactly", solve_command},
    CommandEntry{"methods", "the methods there are, and their options", methods_command},
};

void print_help() {
  std::cout << "Decant distils language models.\n\nusage: decant COMMAND ...\n\n";
  for (const CommandEntry& command : kCommands) {
    std::cout << "  " << command.name << std::string(12 - command.name.size(), ' ')
              << command.summary << '\n';
  }
  std::cout << "\n`decant COMMAND --help` says more.\n";
}

int dispatch(const Words& words) {
  if (words.empty()) {
    throw ConfigError("decant: no command; see decant --help");
  }
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_help();
    return 0;
  }
  std::vector<std::string> known;
  for (const CommandEntry& command : kCommands) {
    if (words[0] == command.name) return command.run({words.begin() + 1, words.end()});
    known.emplace_back(command.name);
  }
  throw ConfigError("decant: " + unknown("command", words[0], known));
}

// LibTorch's messages carry a stack trace after their first line.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::span<const CommandEntry> commands() { return kCommands; }

int main_command(const Words& words) try {
  return dispatch(words);
} catch (const ConfigError& error) {
  std::cerr << first_line(error.what()) << '\n';
  return 2;
} catch (const std::bad_alloc&) {
  std::cerr << "out of memory\n";
  return 1;
} catch (const std::exception& error) {
  std::cerr << first_line(error.what()) << '\n';
  return 1;
}

}  // namespace distill

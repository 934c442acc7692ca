#pragma once

/// The commands of the program. Each takes the words after its name and gives the exit code; each
/// prints what it does with `--help`.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace distill {

using Words = std::vector<std::string>;

/// The run was interrupted and can be gone on with.
inline constexpr int kInterrupted = 130;

int check_command(const Words& words);
int generate_command(const Words& words);
int logits_command(const Words& words);
int methods_command(const Words& words);
int run_command(const Words& words);
int score_command(const Words& words);
int solve_command(const Words& words);
int tokenize_command(const Words& words);
int tokenizer_command(const Words& words);

struct CommandEntry {
  std::string_view name;
  std::string_view summary;
  int (*run)(const Words& words);
};

std::span<const CommandEntry> commands();

/// What the whole program does, its exit code included: 0; 1 for an error, on one line of the error
/// stream; 2 where the command line or a run file asks for what cannot be; 130 after Ctrl-C.
int main_command(const Words& words);

}  // namespace distill

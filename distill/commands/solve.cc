#include <algorithm>
#include <iostream>
#include <sstream>

#include "distill/commands/command_line.h"
#include "distill/options.h"
#include "envs/graph_file.h"
#include "envs/graph_solver.h"

namespace distill {
namespace {

struct SolveOptions {
  std::string file;
  double discount = 0.99;
  double temperature = 0.1;
  int64_t top_k = 0;  // 0: every action
};

using Row = std::vector<std::string>;

std::string text_of(double value) {
  std::ostringstream text;
  text.setf(std::ios::fixed);
  text.precision(6);
  text << value;
  return text.str();
}

void print(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blank(widths[i] - row[i].size(), ' ');
      const bool is_word = i == 0 || rows[0][i] == "best action";
      line += (i > 0 ? "  " : "") + (is_word ? row[i] + blank : blank + row[i]);
    }
    std::cout << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

std::string best_action(const envs::DecisionProcess& process,
                        const std::vector<envs::Offer>& offers, const std::vector<double>& policy) {
  const auto best = std::max_element(policy.begin(), policy.end()) - policy.begin();
  if (policy.empty()) return "-";
  return process.actions[static_cast<size_t>(offers[static_cast<size_t>(best)].action)];
}

std::vector<Row> table(const SolveOptions& options) {
  envs::DecisionProcess process = envs::read_decision_process(options.file);
  envs::Solution soft = envs::solve_soft(process, options.discount, options.temperature);
  if (options.top_k > 0) {
    process = envs::likeliest_actions(process, soft.policy, options.top_k);
    soft = envs::solve_soft(process, options.discount, options.temperature);
  }
  const envs::Solution best = envs::solve(process, options.discount);
  const std::vector<double> visits = envs::occupancy(process, best.policy, options.discount);
  const auto offers = envs::offers_of(process);
  std::vector<Row> rows = {{"state", "V", "best action", "soft V", "occupancy"}};
  for (size_t s = 0; s < offers.size(); ++s) {
    rows.push_back({process.graph[s].name, text_of(best.value[s]),
                    best_action(process, offers[s], best.policy[s]), text_of(soft.value[s]),
                    text_of(visits[s])});
  }
  return rows;
}

}  // namespace

int solve_command(const Words& words) {
  SolveOptions options;
  CommandLine line(
      "decant solve FILE",
      "Solves a finite decision process exactly. By state: its value V under the best policy, "
      "the best action,\nthe value with a reward for entropy, and how often the best "
      "policy is expected there, visits being discounted.");
  line.option("file", value(&options.file)->required(), "a world: .yaml, .dot or .graphml");
  line.option("discount", value(&options.discount)->default_value(options.discount, "0.99"),
              "of a reward one step later, 0 to 1");
  line.option("temperature", value(&options.temperature)->default_value(options.temperature, "0.1"),
              "reward of each nat of entropy, for soft V");
  line.option("top-k", value(&options.top_k)->default_value(options.top_k),
              "only the k likeliest actions of each state under the soft policy; 0: all");
  line.positional("file", 1);
  if (!line.read(words)) return 0;
  if (options.top_k < 0) throw ConfigError("decant solve: needs top-k >= 0");
  try {
    print(table(options));
  } catch (const std::invalid_argument& error) {
    throw ConfigError(error.what());
  }
  return 0;
}

}  // namespace distill

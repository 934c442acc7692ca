// Every learner against the exact solution of small decision processes, over several seeds.

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agents/mlp_files.h"
#include "distill/run_stage.h"
#include "distill/yaml.h"
#include "envs/graph_file.h"
#include "envs/graph_solver.h"
#include "rl/torch.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

constexpr double kDiscount = 0.9;

// A row of 12 states: the last pays 1; a small reward waits at the front for who does not look ahead.
std::string long_chain() {
  std::string text = "actions: [back, on]\nstates:\n  s0: {start: 1}\n";
  for (int i = 1; i < 11; ++i) text += "  s" + std::to_string(i) + ":\n";
  text += "  s11: {terminal: true}\ntransitions:\n";
  for (int i = 0; i < 11; ++i) {
    const std::string from = "  - {from: s" + std::to_string(i);
    text += from + ", action: back, to: s" + std::to_string(std::max(0, i - 1)) +
            (i == 0 ? ", reward: 0.001" : "") + "}\n";
    text += from + ", action: on, to: s" + std::to_string(i + 1) + (i == 10 ? ", reward: 1" : "") +
            "}\n";
  }
  return text;
}

constexpr const char* kDeterministic = R"(actions: [straight, detour]
states: {town: {start: 1}, hill: , lake: , home: {terminal: true}}
transitions:
  - {from: town, action: straight, to: home, reward: 1}
  - {from: town, action: detour, to: hill}
  - {from: hill, action: straight, to: home, reward: 0.5}
  - {from: hill, action: detour, to: lake}
  - {from: lake, action: straight, to: home, reward: 2}
  - {from: lake, action: detour, to: town}
)";

// Hurrying slips, walking is safe and slow.
constexpr const char* kSlippery = R"(actions: [walk, hurry]
states: {hut: {start: 0.8}, bridge: {start: 0.2}, ledge: , summit: {terminal: true}, abyss: {terminal: true}}
transitions:
  - {from: hut, action: walk, to: ledge, reward: -0.1}
  - {from: hut, action: hurry, to: bridge, probability: 0.6}
  - {from: hut, action: hurry, to: ledge, probability: 0.1}
  - {from: hut, action: hurry, to: abyss, probability: 0.3, reward: -1}
  - {from: ledge, action: walk, to: bridge, reward: -0.1}
  - {from: ledge, action: hurry, to: summit, probability: 0.4, reward: 1}
  - {from: ledge, action: hurry, to: hut, probability: 0.3}
  - {from: ledge, action: hurry, to: abyss, probability: 0.3, reward: -1}
  - {from: bridge, action: walk, to: summit, probability: 0.8, reward: 1}
  - {from: bridge, action: walk, to: hut, probability: 0.2}
  - {from: bridge, action: hurry, to: summit, probability: 0.6, reward: 1}
  - {from: bridge, action: hurry, to: abyss, probability: 0.4, reward: -1}
)";

struct LearnerCase {
  std::string name, method, student, train;
  bool imitates = false;  // who behaves best, instead of looking at rewards

  friend std::ostream& operator<<(std::ostream& out, const LearnerCase& c) { return out << c.name; }
};

const std::string kActor = "{config: {hidden: [32], value_head: true}}";
const std::string kValues = "{config: {hidden: [32]}}";
const std::string kDqn =
    "name: dqn, worlds: 8, steps: 2, gamma: 0.9, capacity: 4000, warm_up: 100, target_every: 50, "
    "epsilon: {from: 1, to: 0.3}, explore_share: 0.5, huber_delta: 0";

const std::string kLongPieces =
    "name: dqn, worlds: 8, steps: 4, gamma: 0.9, capacity: 2000, warm_up: 100, target_every: 50, "
    "epsilon: {from: 1, to: 0.1}, explore_share: 0.5, huber_delta: 0";

const std::vector<LearnerCase> kLearners = {
    {"ppo", "{name: ppo, worlds: 16, steps: 32, gamma: 0.9, entropy_coefficient: 0.01}", kActor,
     "steps: 1600, batch_size: 4, learning_rate: 5.0e-3"},
    {"a2c", "{name: a2c, worlds: 16, steps: 16, gamma: 0.9, entropy_coefficient: 0.01}", kActor,
     "steps: 2000, batch_size: 16, learning_rate: 5.0e-3"},
    {"reinforce", "{name: reinforce, gamma: 0.9, entropy_coefficient: 0.01}", kValues,
     "steps: 1200, batch_size: 32, learning_rate: 5.0e-3"},
    // Divided by the deviation of its group, an advantage is largest where all did nearly as well: the slippery
    // world, where one must be slow to be safe, then has another optimum.
    {"grpo", "{name: grpo, gamma: 0.9, epochs: 2, entropy_coefficient: 0.01, normalize: false}",
     kValues, "steps: 1600, batch_size: 32, learning_rate: 5.0e-3"},
    {"rloo", "{name: rloo, gamma: 0.9, entropy_coefficient: 0.005}", kValues,
     "steps: 1600, batch_size: 32, learning_rate: 1.0e-2"},
    {"dqn", "{" + kDqn + "}", kValues, "steps: 4000, batch_size: 64, learning_rate: 3.0e-3"},
    {"double_dqn_dueling", "{" + kDqn + ", double_q: true}",
     "{config: {hidden: [32], dueling: true}}",
     "steps: 4000, batch_size: 64, learning_rate: 3.0e-3"},
    {"prioritized", "{" + kDqn + ", prioritized: true}", kValues,
     "steps: 4000, batch_size: 64, learning_rate: 3.0e-3"},
    // Rewards of several steps are those of who acted, so the last of them explores less.
    {"n_step_dqn", "{" + kLongPieces + ", n_steps: 3}", kValues,
     "steps: 4000, batch_size: 32, learning_rate: 3.0e-3"},
    {"lambda_dqn", "{" + kLongPieces + ", lambda: 0.5}", kValues,
     "steps: 4000, batch_size: 32, learning_rate: 3.0e-3"},
    {"v_trace",
     "{name: ppo, worlds: 16, steps: 32, gamma: 0.9, entropy_coefficient: 0.01, clip: 0, "
     "importance_clip: 1, normalize: false}",
     kActor, "steps: 1600, batch_size: 4, learning_rate: 5.0e-3"},
    // With a reward for every step shown, to end is a loss; so it looks but a little ahead.
    {"sqil", "{name: sqil, gamma: 0.3, entropy: 0.1, temperature: 0.1}", kValues,
     "steps: 1500, batch_size: 8, learning_rate: 5.0e-3", true},
    {"iq_learn", "{name: iq_learn, gamma: 0.9}", kValues,
     "steps: 1000, batch_size: 8, learning_rate: 5.0e-3", true},
    {"iq_learn_own", "{name: iq_learn, gamma: 0.9, student_share: 0.5}", kValues,
     "steps: 1000, batch_size: 8, learning_rate: 5.0e-3", true},
};

class GraphWorlds : public testing::TestWithParam<LearnerCase> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("decant_graph_worlds_" + GetParam().name);
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  envs::DecisionProcess read(const std::string& world) const {
    const std::string file = (folder_ / "world.yaml").string();
    std::ofstream(file) << world;
    return envs::read_decision_process(file);
  }

  // A perceptron that takes the best action almost surely: a hidden unit for each state.
  std::string best_policy(const envs::DecisionProcess& process) const {
    torch::NoGradGuard no_grad;
    const int64_t states = process.state_count();
    const agents::MlpPolicy policy(
        {.inputs = states, .actions = process.action_count(), .hidden = {states}});
    rl::NamedTensors parameters = policy.parameters();
    for (auto& [name, tensor] : parameters) tensor.zero_();
    parameters.at(0).second.fill_diagonal_(5);  // tanh(5) is 0.9999
    const envs::Solution best = envs::solve(process, kDiscount);
    const auto offers = envs::offers_of(process);
    for (size_t state = 0; state < offers.size(); ++state) {
      for (size_t slot = 0; slot < offers[state].size(); ++slot) {
        parameters.at(2).second[offers[state][slot].action][static_cast<int64_t>(state)] =
            20 * best.policy[state][slot];
      }
    }
    const std::string folder = (folder_ / "best").string();
    agents::save_mlp(policy, folder);
    return folder;
  }

  // What the trained policy says of each state: logits float32[states, actions].
  rl::Tensor learn(const LearnerCase& learner, const envs::DecisionProcess& process,
                   int64_t seed) const {
    const std::string file = (folder_ / "world.yaml").string();
    const std::string output = (folder_ / "run").string();
    fs::remove_all(output);
    const std::string teacher =
        learner.imitates ? "teacher: {path: " + best_policy(process) + "}\n" : "";
    const RunConfig run = to_run_config(
        parse_yaml("seed: " + std::to_string(seed) + "\noutput: " + output +
                       "\nworld: {name: graph, max_episode_steps: 60, file: " + file + "}\n" +
                       teacher + "student: " + learner.student + "\nmethod: " + learner.method +
                       "\ntrain: {" + learner.train +
                       ", schedule: linear, betas: [0.9, 0.999]}\nevaluate: {episodes: 1}\n",
                   "run.yaml"),
        "run.yaml");
    run_stage(run, run.stages.front(), {output, true}, {});
    const auto policy = agents::load_mlp(output + "/student");
    torch::NoGradGuard no_grad;
    return policy->logits(torch::eye(policy->options().inputs));
  }

  static envs::BySlot greedy(const rl::Tensor& logits, const envs::DecisionProcess& process) {
    envs::BySlot policy;
    const auto offers = envs::offers_of(process);
    for (size_t state = 0; state < offers.size(); ++state) {
      policy.emplace_back(offers[state].size(), 0.0);
      if (offers[state].empty()) continue;
      const auto best = logits[static_cast<int64_t>(state)].argmax().item<int64_t>();
      policy.back()[static_cast<size_t>(best)] = 1;
    }
    return policy;
  }

  // The value of a policy where episodes begin.
  static double value(const envs::DecisionProcess& process, const envs::Solution& solution) {
    const std::vector<double> start = envs::start_of(process);
    double sum = 0;
    for (size_t i = 0; i < start.size(); ++i) sum += start[i] * solution.value[i];
    return sum;
  }

  fs::path folder_;
};

// Checks values of states, float32[states], against exact ones, wherever there is something to do.
void expect_values(const rl::Tensor& found, const envs::DecisionProcess& process,
                   const std::vector<double>& exact, const std::string& where) {
  const auto offers = envs::offers_of(process);
  for (size_t state = 0; state < offers.size(); ++state) {
    if (offers[state].empty()) continue;
    EXPECT_NEAR(found[static_cast<int64_t>(state)].item<double>(), exact[state], 0.02)
        << "state " << state << ", " << where;
  }
}

const std::vector<std::string> kWorlds = {kDeterministic, kSlippery, long_chain()};

TEST_P(GraphWorlds, AreSolvedExactly) {
  for (const std::string& world : kWorlds) {
    const envs::DecisionProcess process = read(world);
    const double best = value(process, envs::solve(process, kDiscount));
    for (int64_t seed = 1; seed <= 5; ++seed) {
      const envs::BySlot policy = greedy(learn(GetParam(), process, seed), process);
      EXPECT_NEAR(value(process, envs::evaluate(process, policy, kDiscount)), best, 1e-9)
          << "seed " << seed << "\n"
          << world;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Learners, GraphWorlds, testing::ValuesIn(kLearners),
                         testing::PrintToStringParamName());

class SoftGraphWorlds : public GraphWorlds {};

TEST_P(SoftGraphWorlds, HaveTheirExactSoftValues) {
  constexpr double kTemperature = 0.2;
  for (const std::string& world : kWorlds) {
    const envs::DecisionProcess process = read(world);
    const envs::Solution soft = envs::solve_soft(process, kDiscount, kTemperature);
    for (int64_t seed = 1; seed <= 5; ++seed) {
      const rl::Tensor logits = learn(GetParam(), process, seed);
      expect_values(kTemperature * (logits / kTemperature).logsumexp(1), process, soft.value,
                    "seed " + std::to_string(seed) + "\n" + world);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Learners, SoftGraphWorlds,
                         testing::Values(LearnerCase{
                             "soft_q", "{" + kDqn + ", entropy: 0.2}", kValues,
                             "steps: 12000, batch_size: 128, learning_rate: 3.0e-3"}),
                         testing::PrintToStringParamName());

class RandomisedGraphWorlds : public GraphWorlds {};

// The best of all policies that act at random by a share of the time, by policy iteration.
envs::Solution solve_randomised(const envs::DecisionProcess& process, double random_share) {
  envs::BySlot policy = envs::solve(process, kDiscount).policy;
  while (true) {
    envs::BySlot mixed = policy;
    for (auto& probs : mixed) {
      for (double& prob : probs) {
        prob = (1 - random_share) * prob + random_share / static_cast<double>(probs.size());
      }
    }
    envs::Solution found = envs::evaluate(process, mixed, kDiscount);
    envs::BySlot better = policy;
    for (size_t state = 0; state < better.size(); ++state) {
      if (better[state].empty()) continue;
      const auto best = std::max_element(found.q[state].begin(), found.q[state].end());
      std::fill(better[state].begin(), better[state].end(), 0);
      better[state][static_cast<size_t>(best - found.q[state].begin())] = 1;
    }
    if (better == policy) return found;
    policy = better;
  }
}

// Expected SARSA.
TEST_P(RandomisedGraphWorlds, HaveTheValuesOfTheBestPolicyThatSometimesActsAtRandom) {
  constexpr double kRandomShare = 0.2;
  for (const std::string& world : kWorlds) {
    const envs::DecisionProcess process = read(world);
    const envs::Solution exact = solve_randomised(process, kRandomShare);
    for (int64_t seed = 1; seed <= 5; ++seed) {
      const rl::Tensor q = learn(GetParam(), process, seed);
      expect_values((1 - kRandomShare) * q.amax(1) + kRandomShare * q.mean(1), process, exact.value,
                    "seed " + std::to_string(seed) + "\n" + world);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Learners, RandomisedGraphWorlds,
                         testing::Values(LearnerCase{
                             "expected_sarsa", "{" + kDqn + ", random_share: 0.2}", kValues,
                             "steps: 6000, batch_size: 128, learning_rate: 3.0e-3"}),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace distill

#include "tests/contract/environment_contract.h"

#include "envs/classic/acrobot.h"
#include "envs/classic/bandit.h"
#include "envs/classic/cart_pole.h"
#include "envs/classic/chain.h"
#include "envs/classic/grid.h"
#include "envs/classic/mountain_car.h"
#include "envs/graph_file.h"
#include "envs/graph_world.h"
#include "envs/grouped_starts.h"
#include "envs/token/token_environment.h"

namespace {

template <typename World, typename Options>
EnvironmentCase world(const std::string& name, const Options& options) {
  return {name + (options.restarts ? "_restarting" : ""),
          [options] { return std::make_unique<World>(options); }};
}

std::vector<EnvironmentCase> small_worlds() {
  std::vector<EnvironmentCase> cases;
  for (const bool restarts : {false, true}) {
    cases.push_back(world<envs::CartPole>(
        "cart_pole", envs::CartPoleOptions{.max_episode_steps = 30, .restarts = restarts}));
    cases.push_back(world<envs::MountainCar>(
        "mountain_car", envs::MountainCarOptions{.max_episode_steps = 10, .restarts = restarts}));
    cases.push_back(world<envs::Acrobot>(
        "acrobot", envs::AcrobotOptions{.max_episode_steps = 10, .restarts = restarts}));
    cases.push_back(world<envs::Bandit>(
        "bandit",
        envs::BanditOptions{.mean_rewards = {1, 2, 3}, .noise = 1, .restarts = restarts}));
    cases.push_back(world<envs::Chain>(
        "chain", envs::ChainOptions{.length = 3, .max_episode_steps = 8, .restarts = restarts}));
    for (const char* name : {"deterministic", "slippery", "long_chain"}) {
      const std::string file = std::string(DECANT_WORLDS) + "/" + name + ".yaml";
      cases.push_back({std::string(name) + (restarts ? "_restarting" : ""), [=] {
                         return std::make_unique<envs::GraphWorld>(
                             envs::read_decision_process(file),
                             envs::GraphWorldOptions{.max_episode_steps = 9, .restarts = restarts});
                       }});
    }
    cases.push_back({restarts ? "grid_restarting" : "grid", [=] {
                       return std::make_unique<envs::GraphWorld>(
                           envs::grid({}),
                           envs::GraphWorldOptions{.max_episode_steps = 9, .restarts = restarts});
                     }});
  }
  return cases;
}

std::unique_ptr<rl::Environment> make_grouped() {
  return std::make_unique<envs::GroupedStarts>(
      std::make_unique<envs::CartPole>(envs::CartPoleOptions{.max_episode_steps = 30}), 2);
}

// Prompts of different lengths.
std::unique_ptr<rl::Environment> make_token() {
  return std::make_unique<envs::TokenEnvironment>(
      envs::TokenEnvironmentOptions{.vocabulary_size = 8, .end_ids = {3}, .max_new_tokens = 6},
      [](int64_t episode) {
        return std::vector<int64_t>(static_cast<size_t>(1 + episode % 3), 5 + episode % 2);
      });
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(SmallWorlds, EnvironmentContract, testing::ValuesIn(small_worlds()),
                         testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Environments, EnvironmentContract,
                         testing::Values(EnvironmentCase{"grouped", make_grouped},
                                         EnvironmentCase{"token", make_token}),
                         testing::PrintToStringParamName());

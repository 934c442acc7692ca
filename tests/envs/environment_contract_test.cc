#include "tests/contract/environment_contract.h"

#include "envs/classic/cart_pole.h"
#include "envs/classic/chain.h"
#include "envs/grouped_starts.h"
#include "envs/token/token_environment.h"

namespace {

std::unique_ptr<rl::Environment> make_cart_pole() {
  return std::make_unique<envs::CartPole>(envs::CartPoleOptions{.max_episode_steps = 30});
}

std::unique_ptr<rl::Environment> make_restarting_cart_pole() {
  return std::make_unique<envs::CartPole>(
      envs::CartPoleOptions{.max_episode_steps = 30, .restarts = true});
}

std::unique_ptr<rl::Environment> make_chain() {
  return std::make_unique<envs::Chain>(envs::ChainOptions{.length = 3, .max_episode_steps = 8});
}

std::unique_ptr<rl::Environment> make_restarting_chain() {
  return std::make_unique<envs::Chain>(
      envs::ChainOptions{.length = 3, .max_episode_steps = 8, .restarts = true});
}

std::unique_ptr<rl::Environment> make_grouped() {
  return std::make_unique<envs::GroupedStarts>(make_cart_pole(), 2);
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

INSTANTIATE_TEST_SUITE_P(
    Environments, EnvironmentContract,
    testing::Values(EnvironmentCase{"cart_pole", make_cart_pole},
                    EnvironmentCase{"cart_pole_restarting", make_restarting_cart_pole},
                    EnvironmentCase{"chain", make_chain},
                    EnvironmentCase{"chain_restarting", make_restarting_chain},
                    EnvironmentCase{"grouped", make_grouped}, EnvironmentCase{"token", make_token}),
    testing::PrintToStringParamName());

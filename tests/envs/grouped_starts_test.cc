#include "envs/grouped_starts.h"

#include <gmock/gmock.h>

#include "envs/classic/cart_pole.h"
#include "rl/torch.h"

namespace envs {
namespace {

TEST(GroupedStarts, BeginAlikeAndGoOnByWhatIsDone) {
  GroupedStarts world(std::make_unique<CartPole>(CartPoleOptions{}), 3);
  const rl::TimeStep first = world.reset(torch::arange(6));
  EXPECT_TRUE(first.episode.equal(torch::arange(6)));
  const rl::Tensor groups = first.observation.view({2, 3, 4});
  EXPECT_TRUE(groups.select(1, 0).equal(groups.select(1, 2)));
  EXPECT_FALSE(groups[0].equal(groups[1]));
  const rl::TimeStep next = world.step(torch::tensor({0, 1, 0, 0, 0, 0}));
  EXPECT_TRUE(next.episode.equal(torch::arange(6)));
  EXPECT_TRUE(next.observation[0].equal(next.observation[2]));
  EXPECT_FALSE(next.observation[0].equal(next.observation[1]));
}

TEST(GroupedStarts, RefuseNoEpisodesAndRestarts) {
  EXPECT_THROW(GroupedStarts(std::make_unique<CartPole>(CartPoleOptions{}), 0),
               std::invalid_argument);
  EXPECT_THROW(GroupedStarts(std::make_unique<CartPole>(CartPoleOptions{.restarts = true}), 2),
               std::invalid_argument);
}

}  // namespace
}  // namespace envs

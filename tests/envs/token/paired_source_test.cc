#include "envs/token/paired_source.h"

#include <gmock/gmock.h>

#include "rl/pairs.h"
#include "rl/torch.h"

namespace envs {
namespace {

using rl::Tensor;

// Episode e: a prompt of 2 + e % 2 ids, an answer of 3 + e % 3.
Example example_of(int64_t e) {
  Example example;
  for (int64_t i = 0; i < 2 + e % 2; ++i) example.prompt.push_back(10 * e + i + 1);
  for (int64_t i = 0; i < 3 + e % 3; ++i) example.response.push_back(10 * e + i + 5);
  example.where = "test";
  return example;
}

Tensor ids(std::vector<int64_t> values) { return torch::tensor(values, torch::kInt64); }

TEST(PairedSource, CutsPairsToWhatBothHave) {
  PairedSource source(example_of, 0.4, 1);
  const rl::Trajectory t = source.collect(torch::arange(2), 0);
  t.validate();
  EXPECT_EQ(t.observation.sizes().vec(), (std::vector<int64_t>{2, 5, 2}));
  // The last ids of the longer prompt, the first of the longer answer.
  EXPECT_TRUE(t.observation[0].select(-1, 0).equal(ids({1, 2, 5, 6, 7})));
  EXPECT_TRUE(t.observation[0].select(-1, 1).equal(ids({12, 13, 15, 16, 17})));
  EXPECT_TRUE(t.observation[1].select(-1, 0).equal(t.observation[0].select(-1, 1)));
  EXPECT_TRUE(t.start.equal(ids({1, 1})));
  EXPECT_TRUE(t.action[0].equal(ids({5, 6, 7})));
  EXPECT_TRUE(t.notes.at(rl::kSecondAction)[0].equal(ids({15, 16, 17})));
  EXPECT_TRUE(t.mask.all().item<bool>());
  const Tensor share = t.notes.at(rl::kFirstShare);
  EXPECT_TRUE(share.equal(share.narrow(1, 0, 1).expand_as(share)));
  EXPECT_TRUE((share > 0).logical_and(share < 1).all().item<bool>());
}

TEST(PairedSource, PairsAnEpisodeWithItselfWhereNothingIsMixed) {
  PairedSource source(example_of, 0, 1);
  const rl::Trajectory t = source.collect(torch::arange(3), 0);
  EXPECT_TRUE(t.observation.select(-1, 0).equal(t.observation.select(-1, 1)));
  EXPECT_TRUE((t.notes.at(rl::kFirstShare) == 1).all().item<bool>());
  EXPECT_EQ(t.step_counts()[2].item<int64_t>(), 5);
}

TEST(PairedSource, IsAFunctionOfTheEpisode) {
  PairedSource source(example_of, 0.4, 1);
  const rl::Trajectory batch = source.collect(torch::arange(6), 0);
  const rl::Trajectory alone = source.collect(ids({3}), 0);
  const rl::Trajectory picked = batch.select(ids({3}));
  for (const auto& [name, tensor] : alone.tensors()) {
    EXPECT_TRUE(tensor.equal(picked.tensors().at(name))) << name;
  }
}

}  // namespace
}  // namespace envs

#include "agents/policy_teacher.h"

#include <gmock/gmock.h>

#include "agents/nets/mlp.h"
#include "rl/torch.h"
#include "tests/toy/logits_policy.h"

namespace agents {
namespace {

// A temperature makes the logits of closed actions less far from the others; they stay closed.
TEST(PolicyTeacher, OffersNoClosedActionAtAnyTemperature) {
  const rl::Tensor logits = torch::tensor({2.F, 1.F, 0.F, -1.F}).expand({1, 2, 4}).clone();
  logits.select(-1, 3).fill_(kClosedLogit);
  const auto policy = std::make_shared<rl::toy::LogitsPolicy>(logits);
  const rl::Trajectory t = rl::toy::make_rows(torch::zeros({1, 2}, torch::kInt64),
                                              torch::ones({1, 2}), torch::zeros({1, 2}), 4);
  for (const double temperature : {1.0, 4.0, 100.0}) {
    const rl::ActionSet set = PolicyTeacher(policy, {.temperature = temperature}).judge(t);
    ASSERT_FALSE(set.is_full()) << temperature;
    EXPECT_EQ(set.ids.eq(-1).sum().item<int64_t>(), 2) << temperature;
    EXPECT_FALSE(set.ids.eq(3).any().item<bool>()) << temperature;
  }
}

}  // namespace
}  // namespace agents

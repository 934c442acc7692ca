#include <gmock/gmock.h>

#include "agents/language_model.h"
#include "agents/lm_teacher.h"
#include "agents/weights.h"
#include "distill/components/components.h"
#include "distill/registry.h"
#include "distill/yaml.h"
#include "envs/token/paired_source.h"
#include "rl/losses/pair_likelihood.h"
#include "rl/opinion.h"
#include "rl/pairs.h"
#include "rl/torch.h"
#include "tests/distill/expect_error.h"

namespace distill {
namespace {

using rl::Tensor;

AgentSpec agent_of(const std::string& yaml) {
  const Options options = yaml.empty() ? Options() : parse_yaml(yaml, "run.yaml");
  const MethodSpec method = find_method("mix_kd").build(options);
  check_components(method);
  return method.stages.at(0).agent;
}

Tensor teacher(const Tensor& x) {
  return torch::stack({2 * x[0] - x[1], x[0] * x[1] + x[1]}).unsqueeze(0);
}
Tensor student(const Tensor& x) { return torch::stack({x[0], 0.5 * x[1]}).unsqueeze(0); }

// MX-1: e_i = (1, 0), e_j = (0, 1), lambda = .3.
struct Mx1 {
  Tensor mixed = 0.3 * torch::tensor({1.0, 0.0}, torch::kFloat64) +
                 0.7 * torch::tensor({0.0, 1.0}, torch::kFloat64);
  rl::Trajectory row() const {
    const Tensor blank = torch::zeros({1, 1});
    rl::Trajectory t{.observation = torch::zeros({1, 1, 2}),
                     .start = {},
                     .action = torch::zeros({1, 1}, torch::kInt64),
                     .actions = {},
                     .behavior_log_prob = blank,
                     .reward = blank,
                     .discount = blank,
                     .mask = torch::ones({1, 1}, torch::kBool),
                     .state_mask = torch::ones({1, 1}, torch::kBool),
                     .episode = torch::zeros({1}, torch::kInt64),
                     .own = torch::zeros({1}, torch::kBool),
                     .notes = {}};
    return t.with_note(rl::kFirstShare, torch::full({1, 1}, 0.3))
        .with_note(rl::kSecondAction, torch::ones({1, 1}, torch::kInt64));
  }
};

TEST(MixKd, AsksTheTeacherAboutTheMixedInputAsInMx1) {
  const Mx1 mx;
  EXPECT_TRUE(torch::allclose(teacher(mx.mixed), torch::tensor({{-0.1, 0.91}}, torch::kFloat64)));
  rl::ActionSet set;
  set.prior_features = teacher(mx.mixed).to(torch::kFloat32);
  set.prior_readout = std::make_shared<rl::Readout>();
  const rl::Opinion opinion(student(mx.mixed).to(torch::kFloat32), set.dense(),
                            torch::zeros({1}, torch::kInt64));
  EXPECT_NEAR(make_reward_term("mse_logits")(opinion).item<double>(), 0.2368, 1e-6);
}

TEST(MixKd, HasTheLikelihoodOfBothTextsOfMx1) {
  const Mx1 mx;
  const Tensor logits = student(mx.mixed).to(torch::kFloat32).unsqueeze(0).requires_grad_(true);
  const rl::PolicyOutput online{logits, {}, {}};
  const rl::Trajectory row = mx.row();
  const rl::LossOutput out = rl::PairLikelihood()({row, online, nullptr, {}, torch::ones({1, 1})});
  EXPECT_NEAR(out.loss.item<double>(), 0.683460, 1e-6);
  const Tensor gradient = torch::autograd::grad({out.loss}, {logits})[0].flatten();
  const Tensor expected = logits.detach().softmax(-1).flatten() - torch::tensor({0.3F, 0.7F});
  EXPECT_TRUE(torch::allclose(gradient, expected, 0, 1e-6));
}

TEST(MixKd, RefusesRowsThatAreNoPairs) {
  rl::Trajectory row = Mx1().row();
  row.notes.clear();
  const rl::PolicyOutput online{torch::zeros({1, 1, 2}), {}, {}};
  EXPECT_THROW(rl::PairLikelihood()({row, online, nullptr, {}, torch::ones({1, 1})}),
               std::invalid_argument);
}

TEST(MixKd, RefusesLogitsThatTheTeacherHasNot) {
  rl::ActionSet set;
  set.prior_log_probs = torch::zeros({1, 2}).log_softmax(-1);
  const rl::Opinion opinion(torch::zeros({1, 2}), set, torch::zeros({1}, torch::kInt64));
  EXPECT_THROW(make_reward_term("mse_logits")(opinion), std::invalid_argument);
}

agents::Decoder tiny(const std::string& family, uint64_t seed) {
  const std::string json =
      family == "gpt2"
          ? R"({"model_type": "gpt2", "vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2,
                "n_positions": 64, "initializer_range": 0.2})"
          : R"({"model_type": "llama", "vocab_size": 40, "hidden_size": 16,
                "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
                "num_key_value_heads": 1, "max_position_embeddings": 64,
                "initializer_range": 0.2, "tie_word_embeddings": false})";
  return agents::new_decoder(agents::parse_decoder_config(json, "tiny"), seed);
}

envs::Example example_of(int64_t e) {
  return {.prompt = {1 + e, 2, 3}, .response = {4 + e, 5, 6 + e, 7}, .ended = false, .where = ""};
}

class MixedStates : public testing::TestWithParam<std::string> {};

// A share of 1 is the first text, exactly, for the student and for the teacher.
TEST_P(MixedStates, AreTheFirstTextAtAShareOfOne) {
  torch::NoGradGuard no_grad;
  const agents::Decoder decoder = tiny(GetParam(), 1);
  envs::PairedSource pairs(example_of, 0.4, 1);
  rl::Trajectory mixed = pairs.collect(torch::arange(4), 0);
  mixed.notes[rl::kFirstShare] = torch::ones_like(mixed.notes.at(rl::kFirstShare));
  rl::Trajectory first = mixed;
  first.observation = mixed.observation.select(-1, 0);
  const agents::LanguageModel model(decoder);
  EXPECT_TRUE(model.evaluate(mixed).features.equal(model.evaluate(first).features));
  const agents::LmTeacher judge(decoder, {});
  EXPECT_TRUE(judge.judge(mixed).prior_features.equal(judge.judge(first).prior_features));
}

TEST_P(MixedStates, LieBetweenTheTexts) {
  torch::NoGradGuard no_grad;
  const agents::Decoder decoder = tiny(GetParam(), 1);
  envs::PairedSource pairs(example_of, 0.4, 1);
  const rl::Trajectory t = pairs.collect(torch::arange(2), 0);
  const Tensor share = t.notes.at(rl::kFirstShare).narrow(1, 0, 1).unsqueeze(-1);
  const Tensor embeddings =
      share * decoder->embedded(t.observation.select(-1, 0).contiguous()) +
      (1 - share) * decoder->embedded(t.observation.select(-1, 1).contiguous());
  agents::Decoder reader = decoder;
  const Tensor expected = reader->forward_embedded(embeddings).narrow(1, 2, 4);
  const Tensor found = agents::LanguageModel(decoder).evaluate(t).features;
  EXPECT_TRUE(torch::allclose(found.narrow(1, 0, 4), expected, 1e-5, 1e-5));
}

INSTANTIATE_TEST_SUITE_P(Families, MixedStates, testing::Values("llama", "gpt2"),
                         [](const auto& entry) { return entry.param; });

TEST(MixKd, LearnsEachObjectiveAtItsOwnRows) {
  const AgentSpec agent = agent_of("kd_weight: 2\npair_weight: 0.5");
  EXPECT_EQ(agent.source.name, "mixed_pairs");
  const auto& objectives = agent.learners.at(0).objectives;
  ASSERT_EQ(objectives.size(), 4U);
  EXPECT_EQ(objectives[0].rows, "second");
  EXPECT_EQ(objectives[0].weight, 2);
  EXPECT_EQ(objectives[1].loss.name, "pair_likelihood");
  EXPECT_EQ(objectives[1].rows, "second");
  EXPECT_EQ(objectives[2].rows, "first");
  EXPECT_EQ(objectives[2].reward.terms.at(0).term.name, "forward_kl");
  EXPECT_EQ(objectives[3].rows, "first");
  EXPECT_EQ(objectives[3].reward.terms.at(0).term.name, "log_likelihood");
  EXPECT_EQ(agent_of("pair_weight: 0\nwritten_kd_weight: 0").learners.at(0).objectives.size(), 2U);
}

TEST(MixKd, RefusesWhatIsOutOfRange) {
  const auto build = [](const std::string& yaml) { return [yaml] { agent_of(yaml); }; };
  expect_error(build("beta_shape: 0"), "run.yaml:1:13: needs beta_shape > 0, found beta_shape: 0");
  expect_error(build("mixed_share: 2"), "needs 0 <= mixed_share <= 1", /*is_whole=*/false);
  expect_error(build("divergence: jsd2"), "run.yaml:1:13: ", /*is_whole=*/false);
  expect_error(build("kd_weight: -1"), "needs kd_weight >= 0", /*is_whole=*/false);
}

}  // namespace
}  // namespace distill

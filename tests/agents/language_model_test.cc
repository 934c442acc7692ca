#include "agents/language_model.h"

#include <gmock/gmock.h>

#include "agents/lm_teacher.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "envs/token/token_environment.h"
#include "rl/losses/imitation.h"
#include "rl/opinion.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

constexpr int64_t kVocabulary = 40;

Decoder tiny(uint64_t seed, int64_t width = 16) {
  const std::string json =
      R"({"model_type": "llama", "vocab_size": 40, "hidden_size": )" + std::to_string(width) +
      R"(, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
          "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
          "initializer_range": 0.2, "tie_word_embeddings": false})";
  return new_decoder(parse_decoder_config(json, "tiny"), seed);
}

rl::Rollout make_rollout(Decoder actor, const SamplingOptions& sampling, rl::Threads threads) {
  return rl::Rollout(
      [=] {
        const envs::TokenEnvironmentOptions options{
            .vocabulary_size = kVocabulary, .end_ids = {2}, .max_new_tokens = 20};
        const auto prompt_of = [](int64_t episode) {
          return std::vector<int64_t>(static_cast<size_t>(1 + episode % 5), 3 + episode % 7);
        };
        return rl::Rollout::Stage{
            std::make_unique<envs::TokenEnvironment>(options, prompt_of),
            std::make_unique<LanguageModelActor>(actor, sampling, 20, 7, "student")};
      },
      threads, sampling.is_plain());
}

// Sampler and trainer are one: what was recorded while acting is what learning works out.
TEST(LanguageModel, GivesWhileLearningTheLogProbabilitiesItActedWith) {
  const Decoder decoder = tiny(1);
  rl::Rollout rollout = make_rollout(decoder, {}, {1, 1});
  const rl::Trajectory t = rollout.collect(torch::arange(24), 0);
  torch::NoGradGuard no_grad;
  const Tensor log_prob = rl::map_states(LanguageModel(decoder).evaluate(t), t, t.mask,
                                         [](const rl::Opinion& o) { return o.action_log_prob(); });
  EXPECT_GT(t.step_counts().max().item<int64_t>(), 1);
  EXPECT_LE((log_prob - t.behavior_log_prob).abs().max().item<double>(), 1e-5);
  EXPECT_LE(rl::log_prob_difference(t, log_prob, t.mask).item<double>(), 1e-5);
}

TEST(Rollout, IsTheSameHoweverItIsCut) {
  const Decoder decoder = tiny(1);
  const rl::Trajectory whole = make_rollout(decoder, {}, {1, 1}).collect(torch::arange(10), 0);
  const rl::Trajectory cut = make_rollout(decoder, {}, {2, 1}).collect(torch::arange(10), 0);
  EXPECT_TRUE(whole.action.equal(cut.action));
  EXPECT_TRUE(whole.mask.equal(cut.mask));
  rl::Rollout single = make_rollout(decoder, {}, {1, 1});
  const rl::Trajectory alone = single.collect(torch::full({1}, 6, torch::kInt64), 0);
  const rl::Trajectory picked = whole.select(torch::full({1}, 6, torch::kInt64));
  EXPECT_TRUE(alone.action.equal(picked.action));
}

rl::Trajectory written_answers() {
  return envs::trajectory_of(
      {{.prompt = {5, 6, 7}, .response = {8, 2}, .ended = true, .where = "a"},
       {.prompt = {5}, .response = {9, 10, 11}, .ended = false, .where = "b"}},
      torch::arange(2));
}

// Teacher-forced log-probabilities of one sequence at a time, read off full rows.
Tensor forced_log_prob(Decoder decoder, std::vector<int64_t> ids, int64_t position) {
  const Tensor hidden = decoder->forward(torch::tensor(ids, torch::kInt64).unsqueeze(0));
  return torch::matmul(hidden[0][position], decoder->head_weight().t())
      .log_softmax(-1)[ids[static_cast<size_t>(position) + 1]];
}

TEST(LanguageModel, ReadsTheRowBeforeEachToken) {
  torch::NoGradGuard no_grad;
  const Decoder decoder = tiny(1);
  const rl::Trajectory t = written_answers();
  const Tensor found = rl::map_states(LanguageModel(decoder).evaluate(t), t, t.mask,
                                      [](const rl::Opinion& o) { return o.action_log_prob(); });
  const auto near = [&](int64_t b, int64_t c, std::vector<int64_t> ids, int64_t position) {
    EXPECT_NEAR(found[b][c].item<double>(), forced_log_prob(decoder, ids, position).item<double>(),
                1e-5);
  };
  near(0, 0, {5, 6, 7, 8, 2}, 2);
  near(0, 1, {5, 6, 7, 8, 2}, 3);
  near(1, 0, {5, 9, 10, 11}, 0);
  near(1, 2, {5, 9, 10, 11}, 2);
}

TEST(LmTeacher, OffersTheLikeliestWithTheTokenTaken) {
  const Decoder teacher = tiny(5);
  const rl::Trajectory t = written_answers();
  const LmTeacher judge(
      teacher, {.kind = OfferOptions::Kind::top_k, .max_actions = 4, .include_taken = true});
  const rl::ActionSet set = judge.judge(t);
  const rl::ActionSet full = LmTeacher(teacher, {}).judge(t).dense();
  EXPECT_TRUE(
      (rl::slot_of(set, t.action) >= 0).logical_or(t.mask.logical_not()).all().item<bool>());
  const Tensor expected = full.prior_log_probs.gather(-1, set.ids);
  EXPECT_TRUE(set.prior_log_probs.allclose(expected, 1e-5, 1e-5));
  const Tensor total = torch::logaddexp(set.prior_log_probs.logsumexp(-1), set.tail_log_prob);
  EXPECT_LE(total.abs().max().item<double>(), 1e-5);
}

// Draws are functions of (seed, episode, step): not of the other rows, nor of what was drawn before.
TEST(LmTeacher, DrawsTheSameSetHoweverTheBatchIsCut) {
  const rl::Trajectory t = written_answers();
  const OfferOptions offer{.kind = OfferOptions::Kind::sampled, .max_actions = 8, .seed = 3};
  const LmTeacher judge(tiny(5), offer);
  const rl::ActionSet whole = judge.judge(t);
  const rl::ActionSet alone = judge.judge(t.select(torch::tensor({1})));
  EXPECT_TRUE(whole.ids[1].equal(alone.ids[0]));
  EXPECT_TRUE(whole.prior_log_probs[1].equal(alone.prior_log_probs[0]));
  OfferOptions other = offer;
  other.seed = 4;
  EXPECT_FALSE(LmTeacher(tiny(5), other).judge(t).ids.equal(whole.ids));
  LmTeacher actor(tiny(5), offer);
  EXPECT_THROW(actor.begin(t.observation, t.start + 1), std::invalid_argument);
}

TEST(LmTeacher, SaysTheSameStepByStepAsInOnePass) {
  const Decoder teacher = tiny(5);
  const rl::Trajectory t = written_answers();
  LmTeacher judge(teacher, {.kind = OfferOptions::Kind::top_p, .max_actions = 6, .p = 0.9});
  const rl::ActionSet whole = judge.judge(t);
  judge.set_room(3);
  const rl::ActionSet first = judge.begin(t.observation, t.start + 1);
  EXPECT_TRUE(first.ids.equal(whole.ids.select(1, 0)));
  const rl::ActionSet second = judge.advance(t.action.select(1, 0));
  EXPECT_TRUE(second.ids.equal(whole.ids.select(1, 1)));
  EXPECT_TRUE(second.tail_log_prob.allclose(whole.tail_log_prob.select(1, 1), 1e-4, 1e-4));
}

TEST(TokenEnvironment, OffersOnlyWhatTheOracleFindsLikely) {
  const Decoder teacher = tiny(5);
  auto oracle = std::make_unique<LmTeacher>(
      teacher, OfferOptions{.kind = OfferOptions::Kind::top_k, .max_actions = 3});
  oracle->set_room(6);
  envs::TokenEnvironment world(
      {.vocabulary_size = kVocabulary, .end_ids = {2}, .max_new_tokens = 6},
      [](int64_t e) { return std::vector<int64_t>{3 + e}; }, std::move(oracle));
  LanguageModelActor actor(tiny(9), {}, 6, 1, "student");
  const rl::Trajectory t = rl::play(world, actor, torch::arange(5), true);
  EXPECT_EQ(t.actions.ids.size(2), 3);
  const Tensor inside = rl::slot_of(t.actions, t.action) >= 0;
  EXPECT_TRUE(inside.logical_or(t.mask.logical_not()).all().item<bool>());
  EXPECT_THROW(
      {
        const rl::TimeStep now = world.reset(torch::arange(1));
        int64_t outside = 0;
        while ((now.actions.ids == outside).any().item<bool>()) ++outside;
        world.step(torch::full({1}, outside, torch::kInt64));
      },
      std::invalid_argument);
}

}  // namespace
}  // namespace agents

#include "agents/teacher_pool.h"

#include <gmock/gmock.h>

#include "agents/lm_teacher.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "rl/batching.h"
#include "rl/prior_notes.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

Decoder tiny(uint64_t seed, int64_t width, int64_t vocabulary = 40) {
  const std::string json =
      R"({"model_type": "llama", "vocab_size": )" + std::to_string(vocabulary) +
      R"(, "hidden_size": )" + std::to_string(width) +
      R"(, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
          "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
          "initializer_range": 0.5, "tie_word_embeddings": false})";
  return new_decoder(parse_decoder_config(json, "tiny"), seed);
}

rl::Trajectory answers(int64_t rows) {
  std::vector<envs::Example> examples;
  for (int64_t i = 0; i < rows; ++i) {
    examples.push_back({.prompt = std::vector<int64_t>(static_cast<size_t>(1 + i % 4), 3 + i),
                        .response = {5, 6 + i, 7, 2},
                        .ended = i % 2 == 0,
                        .where = "test"});
  }
  return envs::trajectory_of(examples, torch::arange(rows));
}

Tensor dense(const rl::Trajectory& t) { return t.actions.dense().prior_log_probs; }

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(TeacherPool, MixesProbabilitiesByEvenWeights) {
  const Decoder first = tiny(1, 16), second = tiny(2, 8);
  const rl::Trajectory t = answers(6);
  const TeacherPool pool({first, second}, {.temperature = 1.5}, even_weights(2));
  const auto alone = [&](const Decoder& teacher) {
    return LmTeacher(teacher, {.temperature = 1.5}).judge(t).dense().prior_log_probs.exp();
  };
  const rl::Trajectory judged = pool.judged(t);
  EXPECT_LE(difference(dense(judged).exp(), (alone(first) + alone(second)) / 2), 1e-6);
  // Features and weights, not [states, V].
  EXPECT_EQ(judged.actions.prior_features.size(-1), 16 + 8 + 2);
  EXPECT_FALSE(judged.actions.prior_log_probs.defined());
}

TEST(TeacherPool, OffersTheLikeliestTokensOfTheMixture) {
  const rl::Trajectory t = answers(5);
  const std::vector<Decoder> teachers = {tiny(1, 16), tiny(2, 16)};
  const TeacherPool pool(teachers, {.kind = OfferOptions::Kind::top_k, .max_actions = 3},
                         even_weights(2));
  const rl::ActionSet offered = pool.judge(t);
  const rl::ActionSet expected =
      rl::top_k(dense(TeacherPool(teachers, {}, even_weights(2)).judged(t)), 3);
  EXPECT_TRUE(offered.ids.equal(expected.ids));
  EXPECT_LE(difference(offered.prior_log_probs, expected.prior_log_probs), 1e-6);
}

TEST(TeacherPool, NotesWhatEachTeacherMakesOfTheStates) {
  const rl::Trajectory t = answers(6);
  const Decoder second = tiny(2, 8);
  const rl::Trajectory judged = TeacherPool({tiny(1, 16), second}, {}, even_weights(2)).judged(t);
  const Tensor log_probs = LmTeacher(second, {}).judge(t).dense().prior_log_probs;
  const double unit = std::log(40.0);
  const Tensor taken = log_probs.gather(-1, t.action.unsqueeze(-1)).squeeze(-1);
  const auto at = [&](const std::string& what) {
    return judged.notes.at(rl::prior_note(1, what)) * t.mask;
  };
  EXPECT_LE(difference(at("log_prob"), taken * t.mask), 1e-5);
  EXPECT_LE(difference(at("label_nats"), -taken / unit * t.mask), 1e-5);
  EXPECT_LE(difference(at("max_prob"), log_probs.amax(-1).exp() * t.mask), 1e-5);
  const Tensor entropy = -(log_probs.exp() * log_probs).sum(-1);
  EXPECT_LE(difference(at("entropy"), entropy / unit * t.mask), 1e-5);
  EXPECT_LE(difference(at("weight"), 0.5 * t.mask), 1e-6);
}

// The prompt of row 1 is {4, 4}: one token is predicted, after one.
TEST(TeacherPool, NotesHowLikelyThePromptIs) {
  Decoder teacher = tiny(1, 16);
  const rl::Trajectory judged = TeacherPool({teacher}, {}, even_weights(1)).judged(answers(4));
  torch::NoGradGuard no_grad;
  const Tensor hidden = teacher->forward(torch::full({1, 1}, 4, torch::kInt64));
  const Tensor log_probs =
      rl::Readout{teacher->head_weight(), {}, 1.0}.logits(hidden).log_softmax(-1);
  const Tensor note = judged.notes.at(rl::prior_note(0, "prompt_nats"));
  EXPECT_NEAR(note[1][0].item<double>(), -log_probs[0][0][4].item<double>() / std::log(40.0), 1e-5);
  EXPECT_EQ(note[0][0].item<double>(), 0);  // a prompt of one token predicts none of itself
}

TEST(TeacherPool, IsTheSameHoweverABatchIsCut) {
  const rl::Trajectory t = answers(7);
  const auto gate = std::make_shared<TeacherScores>(
      TeacherScoresOptions{.teachers = 2, .hidden = 4, .per_token = true});
  torch::NoGradGuard no_grad;
  for (const auto& [name, parameter] : gate->parameters()) Tensor(parameter).normal_();
  const TeacherPool pool({tiny(1, 16), tiny(2, 8)}, {}, gate_weights(gate));
  const rl::Trajectory whole = pool.judged(t);
  const rl::Trajectory cut =
      rl::map_parts(t, 8, {2, 1}, [&](const rl::Trajectory& part) { return pool.judged(part); });
  const Tensor states = t.state_mask.unsqueeze(-1);
  EXPECT_LE(difference(dense(whole).exp() * states, dense(cut).exp() * states), 1e-5);
}

TEST(TeacherPool, RefusesHeadsOfDifferentSizes) {
  EXPECT_THROW(TeacherPool({tiny(1, 16), tiny(2, 16, 41)}, {}, even_weights(2)),
               std::invalid_argument);
  EXPECT_THROW(TeacherPool({}, {}, even_weights(1)), std::invalid_argument);
}

TEST(SubsetWeights, TakeAllAtFirstAndNeverNobody) {
  const auto selector =
      std::make_shared<TeacherScores>(TeacherScoresOptions{.teachers = 3, .knows_label = true});
  torch::NoGradGuard no_grad;
  Tensor(selector->parameters().back().second).copy_(torch::tensor({-3.0, -1.0, -3.0}));
  const TeacherPool pool({tiny(1, 16), tiny(2, 16), tiny(3, 16)}, {},
                         subset_weights(selector, /*warm_up=*/10, /*seed=*/4));
  const Tensor weights =
      rl::prior_notes(pool.judged(answers(40).select(torch::arange(0, 30))), "weight").select(1, 0);
  EXPECT_LE(difference(weights.narrow(0, 0, 10), torch::full({10, 3}, 1 / 3.0)), 1e-6);
  EXPECT_LE(difference(weights.sum(1), torch::ones({30})), 1e-6);
  // Mostly nobody is drawn, and then the likeliest stands in.
  const Tensor only_second = weights.narrow(0, 10, 20).select(1, 1) == 1;
  EXPECT_GE(only_second.sum().item<int64_t>(), 12);
  EXPECT_LT(only_second.sum().item<int64_t>(), 20);
}

TEST(TeacherScores, BeginEvenAndKnowTheLabelOnlyWhereTheyMay) {
  const rl::Trajectory t =
      TeacherPool({tiny(1, 16), tiny(2, 8)}, {}, even_weights(2)).judged(answers(5));
  for (const bool knows : {false, true}) {
    const TeacherScores scores({.teachers = 2, .hidden = 4, .knows_label = knows});
    EXPECT_EQ(scores.evaluate(t).features.abs().max().item<double>(), 0);
    EXPECT_EQ(scores.parameters().front().second.size(1), knows ? 8 : 6);
  }
}

TEST(TeacherScores, AreOnePerAnswerOrOnePerToken) {
  const rl::Trajectory t =
      TeacherPool({tiny(1, 16), tiny(2, 8)}, {}, even_weights(2)).judged(answers(5));
  for (const bool per_token : {false, true}) {
    const TeacherScores scores({.teachers = 2, .hidden = 4, .per_token = per_token});
    torch::NoGradGuard no_grad;
    for (const auto& [name, parameter] : scores.parameters()) Tensor(parameter).normal_();
    const Tensor found = scores.evaluate(t).features;
    EXPECT_EQ(found.select(1, 0).equal(found.select(1, 1)), !per_token);
    EXPECT_TRUE(scores.clone()->evaluate(t).features.equal(found));
  }
}

}  // namespace
}  // namespace agents

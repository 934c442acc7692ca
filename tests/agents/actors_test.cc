// Who acts in the student's place: mixtures, and students whose teacher corrects them.

#include <gmock/gmock.h>

#include <cmath>
#include <set>
#include <utility>

#include "agents/actors/mixed_logits.h"
#include "agents/actors/small_world_actors.h"
#include "agents/actors/speculative.h"
#include "agents/language_model.h"
#include "agents/weights.h"
#include "envs/token/token_environment.h"
#include "rl/opinion.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

constexpr int64_t kVocabulary = 40, kLongest = 20;

Decoder tiny(uint64_t seed) {
  return new_decoder(
      parse_decoder_config(
          R"({"model_type": "llama", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
              "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
              "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "initializer_range": 0.3,
              "tie_word_embeddings": false})",
          "tiny"),
      seed);
}

// Answers to prompts of one to five tokens.
rl::Trajectory write(rl::Actor& actor, const Tensor& episodes) {
  envs::TokenEnvironment world(
      {.vocabulary_size = kVocabulary, .end_ids = {2, 5}, .max_new_tokens = kLongest},
      [](int64_t episode) {
        return std::vector<int64_t>(static_cast<size_t>(1 + episode % 5), 3 + episode % 7);
      });
  return rl::play(world, actor, episodes, false);
}

std::unique_ptr<NextLogits> next(const Decoder& decoder) {
  return std::make_unique<PrefixLogits>(decoder, kLongest);
}

// Each state's logits, worked out for whole answers: float32[B, T, V].
Tensor logits_of(const Decoder& decoder, const rl::Trajectory& t) {
  torch::NoGradGuard no_grad;
  const HiddenStates states = hidden_states(decoder, t);
  return states.readout.logits(states.features.flatten(0, 1)).unflatten(0, {t.size(), t.length()});
}

Tensor taken(const Tensor& x, const rl::Trajectory& t) {
  return x.gather(-1, t.action.unsqueeze(-1)).squeeze(-1);
}

void expect_near(const Tensor& found, const Tensor& expected, const Tensor& where) {
  const Tensor difference = (found - expected).masked_fill(where.logical_not(), 0).abs();
  EXPECT_LE(difference.max().item<double>(), 2e-4);
}

// The same logits at every step.
struct Fixed : NextLogits {
  explicit Fixed(Tensor values) : logits(std::move(values)) {}
  void begin(const rl::TimeStep&) override {}
  Tensor of(const rl::TimeStep&) override { return logits; }
  void keep(const Tensor&) override {}
  Tensor logits;
};

// Row 2 is over: its set is empty.
TEST(LogitsActor, DrawsAmongWhatIsOnOfferWhoeverProposes) {
  const Tensor logits = torch::tensor({0.F, 5.F, 1.F, 2.F}).expand({3, 4});
  for (const bool mixes : {false, true}) {
    std::unique_ptr<NextLogits> next = std::make_unique<Fixed>(logits);
    if (mixes) {
      next = std::make_unique<MixedLogits>(std::move(next), std::make_unique<Fixed>(logits), 0.5);
    }
    LogitsActor actor(std::move(next), {}, 3, "actor");
    rl::TimeStep now;
    now.actions.ids = torch::tensor({{2, -1}, {3, 0}, {-1, -1}}, torch::kInt64);
    std::set<int64_t> seen;
    for (int64_t step = 0; step < 40; ++step) {
      now.episode = torch::arange(3);
      now.step = torch::full({3}, step, torch::kInt64);
      const rl::Choice choice = actor.act(now);
      EXPECT_EQ(choice.action_ids[0].item<int64_t>(), 2);
      EXPECT_NEAR(choice.log_prob[0].item<double>(), 0, 1e-6);
      const auto id = choice.action_ids[1].item<int64_t>();
      seen.insert(id);
      const double z = std::log(std::exp(2.0) + 1);
      EXPECT_NEAR(choice.log_prob[1].item<double>(), (id == 3 ? 2 : 0) - z, 1e-5);
    }
    EXPECT_THAT(seen, testing::ElementsAre(0, 3));
  }
}

TEST(MixedLogits, RecordsTheLogProbabilityOfTheMixture) {
  const Decoder student = tiny(1), teacher = tiny(2);
  for (const double share : {0.0, 0.3, 1.0}) {
    LogitsActor actor(std::make_unique<MixedLogits>(next(student), next(teacher), share), {}, 7,
                      "mixture");
    const rl::Trajectory t = write(actor, torch::arange(24));
    EXPECT_GT(t.step_counts().max().item<int64_t>(), 8);
    const Tensor mixed =
        (1 - share) * logits_of(student, t).softmax(-1) + share * logits_of(teacher, t).softmax(-1);
    expect_near(t.behavior_log_prob, taken(mixed, t).log(), t.mask);
  }
}

TEST(MixedLogits, WithoutTheTeacherIsTheStudent) {
  const Decoder student = tiny(1);
  LogitsActor mixture(std::make_unique<MixedLogits>(next(student), next(tiny(2)), 0), {}, 7,
                      "same");
  LanguageModelActor alone(student, {}, kLongest, 7, "same");
  EXPECT_TRUE(
      write(mixture, torch::arange(24)).action.equal(write(alone, torch::arange(24)).action));
}

TEST(MixedLogits, RefusesAShareOutOfRange) {
  EXPECT_THROW(MixedLogits(next(tiny(1)), next(tiny(2)), 1.5), std::invalid_argument);
}

// Worked numbers SKD-1.
struct Worked {
  Tensor p = torch::tensor({.5F, .3F, .15F, .05F}), q = torch::tensor({.1F, .2F, .3F, .4F});
  Interleaved at(const std::vector<int64_t>& proposed, const std::vector<double>& uniform,
                 int64_t k) const {
    const auto rows = static_cast<int64_t>(proposed.size());
    return interleave(q.log().expand({rows, 4}), torch::tensor(proposed), p.log().expand({rows, 4}),
                      torch::zeros({rows}, torch::kInt64), {.k = k},
                      torch::tensor(uniform, torch::kFloat64));
  }
};

TEST(Interleave, ReplacesWhatTheTeacherDoesNotRankHigh) {
  const Worked w;
  const Tensor u = torch::tensor({.05, .5, .95}, torch::kFloat64);
  const Tensor proposed = draw(w.q.log().expand({3, 4}), u).action_ids;
  EXPECT_TRUE(proposed.equal(torch::tensor({0, 2, 3})));
  const Interleaved found = w.at({0, 2, 3}, {0, .6, .85}, 2);
  EXPECT_TRUE(found.action_ids.equal(torch::tensor({0, 1, 2})));
  EXPECT_TRUE(found.accepted.equal(torch::tensor({true, false, false})));
}

TEST(Interleave, ExecutesTheDistributionOfItsEquation) {
  const Worked w;
  const std::vector<std::vector<float>> expected = {{.55F, .27F, .135F, .045F},
                                                    {.45F, .41F, .105F, .035F},
                                                    {.30F, .32F, .36F, .02F},
                                                    {.1F, .2F, .3F, .4F}};
  const std::vector<double> kept = {.1, .3, .6, 1};
  for (int64_t k = 1; k <= 4; ++k) {
    // Every proposal, and the teacher's draws on a grid.
    constexpr int64_t kGrid = 2000;
    Tensor mass = torch::zeros({4}, torch::kFloat64);
    double accepted = 0;
    for (int64_t proposal = 0; proposal < 4; ++proposal) {
      std::vector<double> grid;
      for (int64_t i = 0; i < kGrid; ++i) grid.push_back((static_cast<double>(i) + .5) / kGrid);
      const Interleaved found = w.at(std::vector<int64_t>(kGrid, proposal), grid, k);
      const double each = w.q[proposal].item<double>() / kGrid;
      mass.index_add_(0, found.action_ids, torch::full({kGrid}, each, torch::kFloat64));
      accepted += each * static_cast<double>(found.accepted.sum().item<int64_t>());
      const auto& row = expected[static_cast<size_t>(k - 1)];
      EXPECT_TRUE(found.log_prob.exp().allclose(
          torch::tensor(row).index_select(0, found.action_ids), 1e-5, 1e-6));
    }
    EXPECT_TRUE(mass.allclose(
        torch::tensor(expected[static_cast<size_t>(k - 1)]).to(torch::kFloat64), 0, 1e-3))
        << k << mass;
    EXPECT_NEAR(accepted, kept[static_cast<size_t>(k - 1)], 1e-6);
  }
}

TEST(Interleave, RanksOnTheTeachersRawLogits) {
  // The teacher writes greedily, which leaves one token; two are still likely enough.
  const Worked w;
  SpeculativeOptions options{.k = 2};
  options.teacher.temperature = 0;
  const Tensor rows = torch::zeros({1}, torch::kInt64);
  const auto at = [&](int64_t proposed) {
    return interleave(w.q.log().view({1, 4}), torch::full({1}, proposed, torch::kInt64),
                      w.p.log().view({1, 4}), rows, options, torch::zeros({1}, torch::kFloat64));
  };
  EXPECT_TRUE(at(1).accepted.item<bool>());
  EXPECT_FALSE(at(2).accepted.item<bool>());
  EXPECT_EQ(at(2).action_ids.item<int64_t>(), 0);
}

// The student nearly never proposes what is rejected here, and 1 less the rest would be 0.
TEST(Interleave, KnowsHowLikelyARareReplacementIs) {
  const Tensor log_q = torch::tensor({{0.F, 0.F, -20.F}}).log_softmax(-1);
  const Tensor p = torch::tensor({{.5F, .4F, .1F}});
  const auto [ids, log_prob, accepted] = interleave(
      log_q, torch::full({1}, 2, torch::kInt64), p.log(), torch::zeros({1}, torch::kInt64),
      {.k = 2}, torch::full({1}, .95, torch::kFloat64));
  EXPECT_FALSE(accepted.item<bool>());
  ASSERT_EQ(ids.item<int64_t>(), 2);
  EXPECT_NEAR(log_prob.item<double>(), log_q[0][2].item<double>() + std::log(.1), 1e-4);
}

TEST(SpeculativeOptions, LetKFallToOne) {
  const SpeculativeOptions options{.k = 10, .decay_tokens = 5};
  EXPECT_TRUE(options.k_at(torch::arange(7)).equal(torch::tensor({10, 8, 6, 4, 2, 1, 1})));
  EXPECT_TRUE(
      SpeculativeOptions{.k = 10}.k_at(torch::arange(3)).equal(torch::tensor({10, 10, 10})));
  EXPECT_THROW((SpeculativeOptions{.k = 0}.validate()), std::invalid_argument);
  EXPECT_THROW((SpeculativeOptions{.decay_tokens = -1}.validate()), std::invalid_argument);
}

SpeculativeWriter writer(const SpeculativeOptions& options, int64_t draft_tokens,
                         uint64_t student = 1, uint64_t teacher = 2) {
  return {tiny(student), tiny(teacher), options, {kLongest, {2, 5}, draft_tokens}, 7,
          "speculative"};
}

const std::vector<SpeculativeOptions> kWays = {
    {.k = 20},
    {.k = 8, .decay_tokens = 10},
    {.k = 12, .student = {.temperature = .7, .top_p = .9}, .teacher = {.temperature = .5}},
    {.k = 1, .teacher = {.temperature = 0}}};

// The draws belong to places in the text, so blocks change nothing.
TEST(SpeculativeWriter, WritesTheSameTextWithAnyDraftLength) {
  for (const SpeculativeOptions& options : kWays) {
    SpeculativeActor stepwise(next(tiny(1)), next(tiny(2)), options, 7, "speculative");
    const rl::Trajectory one = write(stepwise, torch::arange(24));
    for (const int64_t draft_tokens : {1, 2, 5, 30}) {
      SpeculativeWriter blocks = writer(options, draft_tokens);
      const rl::Trajectory t = write(blocks, torch::arange(24));
      EXPECT_TRUE(t.action.equal(one.action)) << draft_tokens;
      EXPECT_TRUE(t.mask.equal(one.mask)) << draft_tokens;
      expect_near(t.behavior_log_prob, one.behavior_log_prob, t.mask);
    }
  }
}

TEST(SpeculativeWriter, WritesTheSameTextHoweverRowsShareABatch) {
  SpeculativeWriter all = writer(kWays[0], 4), single = writer(kWays[0], 4);
  const rl::Trajectory whole = write(all, torch::arange(24));
  for (const int64_t episode : {3, 11}) {
    const rl::Trajectory alone = write(single, torch::full({1}, episode, torch::kInt64));
    EXPECT_TRUE(alone.action.equal(whole.select(torch::tensor({episode})).action));
  }
}

TEST(SpeculativeWriter, RecordsTheLogProbabilityOfWhatItDoes) {
  SpeculativeWriter actor = writer({.k = 6}, 5);
  const rl::Trajectory t = write(actor, torch::arange(24));
  const Tensor z = logits_of(tiny(2), t), q = logits_of(tiny(1), t).softmax(-1);
  const Tensor least = std::get<0>(z.topk(6, -1)).narrow(-1, 5, 1);
  const Tensor kept = q * (z >= least);
  const Tensor b = kept + (1 - kept.sum(-1, true)) * z.softmax(-1);
  expect_near(t.behavior_log_prob, taken(b, t).log(), t.mask);
}

TEST(SpeculativeWriter, AsksTheTeacherOncePerBlock) {
  // With k = V every proposal stands.
  SpeculativeWriter actor = writer({.k = kVocabulary}, 5);
  const rl::Trajectory t = write(actor, torch::arange(8));
  const int64_t longest = t.step_counts().max().item<int64_t>();
  EXPECT_LE(actor.teacher_passes(), (longest + 4) / 5);
  LanguageModelActor student(tiny(1), {}, kLongest, 7, "speculative proposal");
  EXPECT_TRUE(t.action.equal(write(student, torch::arange(8)).action));
}

TEST(SpeculativeWriter, RefusesModelsOfOtherVocabularies) {
  const Decoder other = new_decoder(
      parse_decoder_config(
          R"({"model_type": "llama", "vocab_size": 41, "hidden_size": 16, "intermediate_size": 24,
              "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
              "max_position_embeddings": 64, "rms_norm_eps": 1e-5})",
          "other"),
      1);
  EXPECT_THROW(SpeculativeWriter(tiny(1), other, {}, {kLongest, {2}, 5}, 7, "speculative"),
               std::invalid_argument);
  EXPECT_THROW(writer({}, 0), std::invalid_argument);
}

TEST(KeyValueCache, ForgetsTheLastTokens) {
  torch::NoGradGuard no_grad;
  Decoder decoder = tiny(1);
  const Tensor ids = torch::tensor({{3, 4, 6, 7, 8}, {9, 10, 11, 12, 13}});
  KeyValueCache cache = decoder->new_cache(2, 8);
  decoder->forward(torch::tensor({{3, 4, 20, 21}, {9, 22, 23, 24}}), cache);
  cache.truncate({2, 1});
  EXPECT_EQ(cache.lengths(), (std::vector<int64_t>{2, 1}));
  // The rows go on differently, and from different places.
  const Tensor rest = torch::tensor({{6, 7, 8, 0}, {10, 11, 12, 13}});
  const Tensor found = decoder->forward(rest, cache, {3, 4});
  const Tensor whole = decoder->forward(ids);
  EXPECT_TRUE(found[0].narrow(0, 0, 3).allclose(whole[0].narrow(0, 2, 3), 1e-4, 1e-5));
  EXPECT_TRUE(found[1].allclose(whole[1].narrow(0, 1, 4), 1e-4, 1e-5));
  EXPECT_THROW(cache.truncate({6, 5}), std::invalid_argument);
  EXPECT_THROW(cache.truncate({1}), std::invalid_argument);
}

}  // namespace
}  // namespace agents

#include "agents/foreign_teacher.h"

#include <gmock/gmock.h>

#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "rl/torch.h"
#include "tests/envs/token/fixtures.h"
#include "tests/envs/token/letters.h"

namespace agents {
namespace {

using rl::Tensor;

Decoder tiny(int64_t vocabulary) {
  const std::string json =
      R"({"model_type": "llama", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64,
          "rms_norm_eps": 1e-5, "initializer_range": 0.5, "tie_word_embeddings": false,
          "vocab_size": )" +
      std::to_string(vocabulary) + "}";
  return new_decoder(parse_decoder_config(json, "tiny"), 3);
}

struct Pair {
  std::shared_ptr<const envs::Tokenizer> students =
      envs::load_tokenizer(envs::fixture("tokenizers/llama2-bpe"));
  std::shared_ptr<const envs::Tokenizer> own =
      envs::load_tokenizer(envs::fixture("tokenizers/gpt2-bbpe"));
  Decoder decoder = tiny(own->size());

  rl::Trajectory rows() const {
    std::vector<envs::Example> examples;
    for (const std::string text : {"the cat sat on the mat", "a cat"}) {
      std::vector<int64_t> ids = students->encode(text, true);
      examples.push_back({.prompt = {ids.begin(), ids.begin() + 2},
                          .response = {ids.begin() + 2, ids.end()},
                          .ended = true,
                          .where = "test"});
      examples.back().response.push_back(*students->eos_id());
    }
    return envs::trajectory_of(examples, torch::arange(2));
  }
};

// Whoever shares the tokenizer is judged as by a teacher of the same tokens.
TEST(ForeignTeacher, OfTheSameTokensIsAnOrdinaryTeacher) {
  const Pair pair;
  const rl::Trajectory t = pair.rows();
  const Decoder decoder = tiny(pair.students->size());
  for (const bool by_bytes : {false, true}) {
    const ForeignTeacher teacher(decoder, pair.students, pair.students, {.by_bytes = by_bytes});
    const rl::Trajectory judged = teacher.judged(t);
    torch::NoGradGuard no_grad;
    const HiddenStates states = hidden_states(decoder, t);
    const Tensor expected = states.readout.logits(states.features).log_softmax(-1);
    const Tensor found = judged.actions.dense().prior_log_probs;
    const Tensor where = t.mask.unsqueeze(-1);
    const Tensor vocabulary = torch::arange(pair.students->size());
    EXPECT_LE(((found.index_select(-1, vocabulary) - expected) * where).abs().max().item<double>(),
              1e-4);
    EXPECT_LE((judged.notes.at("aligned") - t.mask.to(torch::kFloat32)).abs().max().item<double>(),
              1e-6);
    EXPECT_EQ(judged.notes.at("prior_scale").abs().max().item<double>(), 0);
    EXPECT_EQ(judged.notes.at("one_to_one").min().item<double>(), 1);
  }
}

TEST(ForeignTeacher, ComparesTheSameBytesOnceAndEosWithEos) {
  const Pair pair;
  const rl::Trajectory t = pair.rows();
  for (const bool at_last : {false, true}) {
    const ForeignTeacher teacher(pair.decoder, pair.own, pair.students,
                                 {.by_bytes = true, .at_last = at_last});
    const rl::Trajectory judged = teacher.judged(t);
    const Tensor aligned = judged.notes.at("aligned"), anchor = judged.notes.at("anchor");
    for (int64_t b = 0; b < t.size(); ++b) {
      // The weights of a row add up to its tokens, and every anchor is its own.
      EXPECT_NEAR(aligned[b].sum().item<double>(), t.mask[b].sum().item<double>(), 1e-4);
      const Tensor anchors = aligned[b].nonzero().squeeze(1);
      EXPECT_TRUE(anchor[b].index_select(0, anchors).equal(anchors));
      const int64_t last = t.mask[b].sum().item<int64_t>() - 1;
      EXPECT_GT(aligned[b][last].item<double>(), 0);  // EOS
    }
    EXPECT_LE(judged.notes.at("prior_scale").max().item<double>(), 0);
    // A prior over the union: normalised over what the teacher can say.
    const Tensor mass = judged.actions.dense().prior_log_probs.logsumexp(-1);
    EXPECT_LE((mass * t.mask).abs().max().item<double>(), 1e-4);
  }
}

}  // namespace
}  // namespace agents

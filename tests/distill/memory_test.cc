#include <gmock/gmock.h>
#include <malloc.h>

#include <fstream>

#include "agents/language_model.h"
#include "agents/lm_teacher.h"
#include "agents/weights.h"
#include "distill/components/components.h"
#include "envs/token/dataset_source.h"
#include "rl/losses/imitation.h"
#include "rl/torch.h"

namespace distill {
namespace {

constexpr int64_t kWidth = 32, kTokens = 2048;

double status_megabytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
  }
  return 0;
}

agents::Decoder make(int64_t vocabulary, uint64_t seed) {
  const std::string json =
      R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 64,
          "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
          "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
          "vocab_size": )" +
      std::to_string(vocabulary) + "}";
  return agents::new_decoder(agents::parse_decoder_config(json, "memory"), seed);
}

// Peak of one GKD step above what was there before it, in megabytes.
double peak_of_a_step(int64_t vocabulary, const agents::OfferOptions& offer) {
  const agents::Decoder student = make(vocabulary, 1), teacher = make(vocabulary, 2);
  std::vector<envs::Example> examples;
  for (int64_t i = 0; i < kTokens / 128; ++i) {
    examples.push_back({.prompt = {1, 2, 3},
                        .response = std::vector<int64_t>(128, 5),
                        .ended = true,
                        .where = "memory"});
  }
  const rl::Trajectory written =
      envs::trajectory_of(examples, torch::arange(static_cast<int64_t>(examples.size())));
  std::vector<rl::Objective> objectives;
  objectives.push_back({"gkd",
                        1.0,
                        std::make_unique<rl::Imitation>(),
                        {{{"jsd", -1.0, make_reward_term({"jsd", {{"beta", 0.5}}})}}}});
  rl::LearnerOptions options;
  options.threads = {1, 1};
  rl::Learner learner(std::make_shared<agents::LanguageModel>(student), std::move(objectives),
                      options);
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
  const double before = status_megabytes("VmRSS");
  learner.accumulate(written.with(agents::LmTeacher(teacher, offer).judge(written)));
  learner.step();
  return status_megabytes("VmHWM") - before;
}

// [tokens, V] in float32 would be 1 GB at the larger vocabulary, beside 16 MB of the head.
TEST(Memory, OfAStepDoesNotGrowWithTheVocabularyBeyondTheHead) {
  for (const agents::OfferOptions& offer :
       {agents::OfferOptions{},
        agents::OfferOptions{.kind = agents::OfferOptions::Kind::top_k, .max_actions = 50}}) {
    const double small = peak_of_a_step(4096, offer), large = peak_of_a_step(131072, offer);
    const double head = 131072.0 * kWidth * 4 / 1e6;
    // Gradient, its sum, and the optimiser's temporaries are of the head's size; what the process
    // keeps of earlier work may hide a few megabytes of either peak.
    EXPECT_LT(large - small, 6 * head + 64) << small << " MB and " << large << " MB";
  }
}

}  // namespace
}  // namespace distill

#include "tests/toy/letters_world.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "agents/language_model.h"
#include "agents/weights.h"
#include "envs/token/token_environment.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace toy {

using rl::Tensor;

namespace {

constexpr int64_t kPrompts = 5;     // the letters
constexpr int64_t kWritten = 4000;  // answers of the teacher

const std::string kShape = R"("model_type": "llama", "hidden_size": 16, "intermediate_size": 32,
  "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 6,
  "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
  "eos_token_id": 0, "initializer_range": )";

void write_tokenizer(const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/tokenizer.json") << R"({"version": "1.0",
    "added_tokens": [{"id": 0, "content": "</s>", "special": true}],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "vocab": {"</s>": 0, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5}, "merges": []}})";
  std::ofstream(folder + "/tokenizer_config.json") << R"({"eos_token": "</s>"})";
}

int64_t told(int64_t prompt) { return 1 + prompt % kPrompts; }
std::string letter(int64_t id) { return std::string(1, static_cast<char>('a' + id - 1)); }

}  // namespace

std::string LettersWorld::student_config() { return "{config: {" + kShape + "0.05}}"; }

LettersWorld::LettersWorld(std::string folder)
    : folder_(std::move(folder)), tree_(kVocabulary, kLongest, {kEnd}) {
  write_tokenizer(teacher());
  teacher_ = agents::new_decoder(agents::parse_decoder_config("{" + kShape + "0.4}", "toy"), 7);
  agents::save_decoder(teacher_, teacher(), teacher());

  envs::TokenEnvironment world(
      {.vocabulary_size = kVocabulary, .end_ids = {kEnd}, .max_new_tokens = kLongest},
      [](int64_t episode) { return std::vector<int64_t>{1 + episode % kPrompts}; });
  agents::LanguageModelActor actor(teacher_, {}, kLongest, 3, "writer");
  const rl::Trajectory written = rl::play(world, actor, torch::arange(kWritten), /*own=*/false);
  std::ofstream file(text());
  for (int64_t i = 0; i < kWritten; ++i) {
    std::string answer;
    for (int64_t t = 0; t < written.length(); ++t) {
      const int64_t id = written.action[i][t].item<int64_t>();
      if (written.mask[i][t].item<bool>() && id != kEnd) answer += letter(id);
    }
    // An example without an answer teaches nothing and is refused.
    if (answer.empty()) continue;
    const int64_t prompt = 1 + i % kPrompts;
    file << R"({"prompt": ")" << letter(prompt) << R"(", "told": ")" << letter(told(prompt))
         << R"(", "response": ")" << answer << "\"}\n";
  }
}

envs::ByLevel LettersWorld::log_probs(const agents::Decoder& model, int64_t prompt) const {
  torch::NoGradGuard no_grad;
  return envs::tabulate(tree_, [&](const Tensor& prefixes) {
    const Tensor ids =
        torch::cat({torch::full({prefixes.size(0), 1}, prompt, torch::kInt64), prefixes}, 1);
    rl::Trajectory t;
    t.observation = ids;
    t.start = torch::full({ids.size(0)}, ids.size(1) - 1, torch::kInt64);
    t.action = torch::zeros({ids.size(0), 1}, torch::kInt64);
    const agents::HiddenStates states = agents::hidden_states(model, t);
    return states.readout.logits(states.features.flatten(0, 1)).log_softmax(-1);
  });
}

template <typename F>
double LettersWorld::mean_over_prompts(F f) const {
  double sum = 0;
  for (int64_t prompt = 1; prompt <= kPrompts; ++prompt) sum += f(prompt);
  return sum / kPrompts;
}

double LettersWorld::forward_kl(const agents::Decoder& student) const {
  return mean_over_prompts([&](int64_t prompt) {
    return envs::sequence_kl(tree_, log_probs(teacher_, prompt), log_probs(student, prompt))
        .item<double>();
  });
}

double LettersWorld::reverse_kl(const agents::Decoder& student) const {
  return mean_over_prompts([&](int64_t prompt) {
    return envs::sequence_kl(tree_, log_probs(student, prompt), log_probs(teacher_, prompt))
        .item<double>();
  });
}

double LettersWorld::written_kl(const agents::Decoder& student) const {
  const auto written = [&](const agents::Decoder& model, int64_t prompt) {
    envs::ByLevel levels = log_probs(model, prompt);
    levels[0] = levels[0].index_fill(1, torch::tensor({kEnd}), -1e3).log_softmax(-1);
    return levels;
  };
  return mean_over_prompts([&](int64_t prompt) {
    return envs::sequence_kl(tree_, written(teacher_, prompt), written(student, prompt))
        .item<double>();
  });
}

double LettersWorld::told_kl(const agents::Decoder& student) const {
  return mean_over_prompts([&](int64_t prompt) {
    return envs::sequence_kl(tree_, log_probs(teacher_, told(prompt)), log_probs(student, prompt))
        .item<double>();
  });
}

double LettersWorld::teacher_likelihood(const agents::Decoder& student) const {
  return mean_over_prompts([&](int64_t prompt) {
    const Tensor q = envs::answer_probabilities(tree_, log_probs(student, prompt));
    const Tensor p = envs::answer_probabilities(tree_, log_probs(teacher_, prompt));
    return (q * p.log()).sum().item<double>();
  });
}

double LettersWorld::best_likelihood() const {
  return mean_over_prompts([&](int64_t prompt) {
    return envs::answer_probabilities(tree_, log_probs(teacher_, prompt))
        .max()
        .log()
        .item<double>();
  });
}

}  // namespace toy

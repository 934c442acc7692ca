// One full step of on-policy distillation (GKD, JSD 0.5) at the sizes of docs/results.md: batch 8,
// prompt 64, 64 new tokens, a Llama-shaped teacher of 8 layers x 512 and a student of 4 x 256.

#include <benchmark/benchmark.h>

#include "agents/language_model.h"
#include "agents/lm_teacher.h"
#include "agents/weights.h"
#include "distill/components/components.h"
#include "distill/device.h"
#include "envs/token/dataset_source.h"
#include "envs/token/token_environment.h"
#include "rl/losses/imitation.h"
#include "rl/torch.h"
#include "rl/train_loop.h"

namespace {

constexpr int64_t kVocabulary = 8192, kBatch = 8, kPrompt = 64, kResponse = 64;

agents::Decoder make(int64_t width, int64_t layers, int64_t intermediate, c10::ScalarType compute,
                     uint64_t seed) {
  const std::string json =
      R"({"model_type": "llama", "num_attention_heads": 8, "num_key_value_heads": 8,
          "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "vocab_size": )" +
      std::to_string(kVocabulary) + R"(, "hidden_size": )" + std::to_string(width) +
      R"(, "intermediate_size": )" + std::to_string(intermediate) + R"(, "num_hidden_layers": )" +
      std::to_string(layers) + R"(, "tie_word_embeddings": false})";
  return agents::new_decoder(agents::parse_decoder_config(json, "bench"), seed,
                             {.compute = compute});
}

std::vector<int64_t> random_ids(int64_t count, uint64_t seed) {
  torch::manual_seed(seed);
  const torch::Tensor ids = torch::randint(3, kVocabulary, {count}, torch::kInt64);
  return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + count};
}

rl::RewardTerm minus_jsd() { return distill::make_reward_term({"jsd", {{"beta", 0.5}}}); }

// @param own whether the student writes the answers (lambda 1) or they are given (lambda 0).
void gkd_step(benchmark::State& state, bool own, c10::ScalarType compute) {
  const rl::Threads threads{static_cast<int>(state.range(0)), static_cast<int>(state.range(1))};
  const agents::Decoder student = make(256, 4, 688, compute, 1);
  const agents::Decoder teacher = make(512, 8, 1376, compute, 2);
  for (auto& parameter : teacher->parameters()) parameter.requires_grad_(false);

  std::unique_ptr<rl::Source> source;
  if (own) {
    source = std::make_unique<rl::Rollout>(
        [=] {
          const envs::TokenEnvironmentOptions options{
              .vocabulary_size = kVocabulary, .end_ids = {}, .max_new_tokens = kResponse};
          return rl::Rollout::Stage{
              std::make_unique<envs::TokenEnvironment>(
                  options, [](int64_t e) { return random_ids(kPrompt, static_cast<uint64_t>(e)); }),
              std::make_unique<agents::LanguageModelActor>(student, agents::SamplingOptions{},
                                                           kResponse, 1, "student")};
        },
        threads, true);
  } else {
    source = std::make_unique<envs::DatasetSource>([](int64_t e) {
      return envs::Example{.prompt = random_ids(kPrompt, static_cast<uint64_t>(e)),
                           .response = random_ids(kResponse, static_cast<uint64_t>(e) + 1),
                           .ended = true,
                           .where = "bench"};
    });
  }
  auto judged = std::make_unique<rl::Judged>(
      std::move(source), std::make_shared<agents::LmTeacher>(teacher, agents::OfferOptions{}),
      threads, 100000);
  rl::LearnerOptions options;
  options.threads = threads;
  options.micro_batch_tokens = 100000;
  options.learning_rate = [](int64_t) { return 1e-4; };
  std::vector<rl::Objective> objectives;
  objectives.push_back(
      {"gkd", 1.0, std::make_unique<rl::Imitation>(), {{{"jsd", -1.0, minus_jsd()}}}});
  rl::Agent agent{std::move(judged), rl::ReplayBuffer({}, 1), {}};
  agent.learners.push_back(std::make_unique<rl::Learner>(
      std::make_shared<agents::LanguageModel>(student), std::move(objectives), options));

  rl::Progress progress;
  int64_t steps = 0;
  for (auto _ : state) {
    rl::train(agent, {.steps = ++steps, .batch_size = kBatch}, progress,
              [](const rl::Progress&, const rl::Metrics&) { return true; });
  }
  state.counters["tokens/s"] = benchmark::Counter(
      static_cast<double>(state.iterations() * kBatch * kResponse), benchmark::Counter::kIsRate);
}

void register_all() {
  for (const bool own : {false, true}) {
    for (const auto& [compute, type] :
         {std::pair{torch::kFloat32, "float32"}, {torch::kBFloat16, "bfloat16"}}) {
      const std::string name = std::string(own ? "gkd_step/lambda1/" : "gkd_step/lambda0/") + type;
      const c10::ScalarType as = compute;
      benchmark::RegisterBenchmark(name.c_str(),
                                   [own, as](benchmark::State& s) { gkd_step(s, own, as); })
          ->ArgNames({"shards", "per_shard"})
          ->Args({2, 1})
          ->Args({1, 2})
          ->Unit(benchmark::kMillisecond)
          ->MinTime(3.0)
          ->UseRealTime();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  distill::set_up_process();
  register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

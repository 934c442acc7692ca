// How fast decoders read, learn and write: a Llama-shaped student (width 256, 4 layers) and teacher
// (width 512, 8 layers), vocabulary 8192, prompts of 64 tokens and answers of 64.
//
// Arguments: type (0 float32, 1 bfloat16), shards of the batch side by side, threads of each, and
// for generation rows. Items are tokens. Shards and threads together should be the cores.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include "agents/sampler.h"
#include "agents/weights.h"
#include "rl/ops/linear.h"
#include "rl/parallel.h"
#include "rl/torch.h"

namespace {

using agents::Decoder;
using rl::Tensor;

constexpr int64_t kVocabulary = 8192;
constexpr int64_t kPrompt = 64;
constexpr int64_t kAnswer = 64;
constexpr int64_t kBatch = 8;

Decoder make_decoder(int64_t width, int64_t layers, int64_t intermediate, int64_t type) {
  const std::string config =
      R"({"model_type": "llama", "num_attention_heads": 8, "max_position_embeddings": 512, )"
      R"("tie_word_embeddings": true, "vocab_size": )" +
      std::to_string(kVocabulary) + R"(, "hidden_size": )" + std::to_string(width) +
      R"(, "num_hidden_layers": )" + std::to_string(layers) + R"(, "intermediate_size": )" +
      std::to_string(intermediate) + "}";
  return agents::new_decoder(agents::parse_decoder_config(config, "bench"), 1,
                             {.compute = type == 0 ? torch::kFloat : torch::kBFloat16});
}

Decoder make_student(int64_t type) { return make_decoder(256, 4, 688, type); }
Decoder make_teacher(int64_t type) { return make_decoder(512, 8, 1376, type); }

rl::Threads threads_of(const benchmark::State& state) {
  const rl::Threads threads{static_cast<int>(state.range(1)), static_cast<int>(state.range(2))};
  at::set_num_threads(threads.per_shard);
  return threads;
}

Tensor some_ids(int64_t rows, int64_t length) {
  torch::manual_seed(1);
  return torch::randint(kVocabulary, {rows, length}, torch::kLong);
}

Tensor shard_of(const Tensor& x, const rl::Threads& threads, int64_t shard) {
  const int64_t begin = rl::part_begin(x.size(0), threads.shards, shard);
  return x.narrow(0, begin, rl::part_begin(x.size(0), threads.shards, shard + 1) - begin);
}

void TeacherScoring(benchmark::State& state) {
  const rl::Threads threads = threads_of(state);
  Decoder teacher = make_teacher(state.range(0));
  const Tensor ids = some_ids(kBatch, kPrompt + kAnswer);
  for (auto _ : state) {
    rl::run_parallel(threads, threads.shards, [&](int64_t shard) {
      const torch::NoGradGuard no_grad;
      benchmark::DoNotOptimize(teacher->forward(shard_of(ids, threads, shard)));
    });
  }
  state.SetItemsProcessed(state.iterations() * ids.numel());
}

// Hidden states and every gradient but the head's, from a given gradient of the hidden states.
void StudentForwardBackward(benchmark::State& state) {
  const rl::Threads threads = threads_of(state);
  Decoder student = make_student(state.range(0));
  const std::vector<Tensor> parameters = student->parameters();
  const Tensor ids = some_ids(kBatch, kPrompt + kAnswer);
  for (auto _ : state) {
    std::vector<std::vector<Tensor>> gradients(threads.shards);
    rl::run_parallel(threads, threads.shards, [&](int64_t shard) {
      const torch::AutoGradMode with_gradients(true);
      const Tensor hidden = student->forward(shard_of(ids, threads, shard));
      gradients[shard] = torch::autograd::grad({hidden}, parameters, {torch::ones_like(hidden)});
    });
    for (int shard = 1; shard < threads.shards; ++shard) {
      for (size_t i = 0; i < parameters.size(); ++i) gradients[0][i].add_(gradients[shard][i]);
    }
    // What an optimiser does to the copies of the weights.
    for (const Tensor& parameter : parameters) parameter.unsafeGetTensorImpl()->bump_version();
  }
  state.SetItemsProcessed(state.iterations() * ids.numel());
}

// Reads the prompts, then draws every token of the answers from the whole vocabulary.
void Generation(benchmark::State& state) {
  const rl::Threads threads = threads_of(state);
  Decoder student = make_student(state.range(0));
  const int64_t rows = state.range(3);
  const Tensor prompts = some_ids(rows, kPrompt);
  for (auto _ : state) {
    rl::run_parallel(threads, threads.shards, [&](int64_t shard) {
      const torch::NoGradGuard no_grad;
      const Tensor prompt = shard_of(prompts, threads, shard);
      agents::KeyValueCache cache = student->new_cache(prompt.size(0), kPrompt + kAnswer);
      Tensor hidden = student->forward(prompt, cache).select(1, kPrompt - 1);
      for (int64_t i = 0; i < kAnswer; ++i) {
        const Tensor logits = rl::ops::linear(hidden, student->head_weight()).to(torch::kFloat);
        const Tensor drawn =
            agents::sample(logits, {}, torch::rand({prompt.size(0)}, torch::kDouble)).action_ids;
        if (i + 1 < kAnswer) hidden = student->forward(drawn.unsqueeze(1), cache).select(1, 0);
      }
    });
    for (const Tensor& parameter : student->parameters()) {
      parameter.unsafeGetTensorImpl()->bump_version();
    }
  }
  state.SetItemsProcessed(state.iterations() * rows * kAnswer);
}

void types_and_threads(benchmark::internal::Benchmark* bench) {
  for (const int64_t type : {0, 1}) {
    bench->Args({type, 1, 1})->Args({type, 2, 1})->Args({type, 1, 2});
  }
  bench->ArgNames({"bf16", "shards", "threads"})->UseRealTime()->Unit(benchmark::kMillisecond);
}

void types_threads_and_rows(benchmark::internal::Benchmark* bench) {
  for (const int64_t rows : {8, 32}) {
    for (const int64_t type : {0, 1}) {
      bench->Args({type, 1, 1, rows})->Args({type, 2, 1, rows})->Args({type, 1, 2, rows});
    }
  }
  bench->ArgNames({"bf16", "shards", "threads", "rows"})
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

BENCHMARK(TeacherScoring)->Apply(types_and_threads);
BENCHMARK(StudentForwardBackward)->Apply(types_and_threads);
BENCHMARK(Generation)->Apply(types_threads_and_rows);

}  // namespace

int main(int argc, char** argv) {
  // As the program does: large tensors stay with the process instead of going back to the kernel.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

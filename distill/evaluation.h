#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/context_memory.h"
#include "agents/language_model.h"
#include "agents/lm_teacher.h"
#include "distill/report.h"
#include "envs/token/examples.h"
#include "envs/token/tokenizer.h"
#include "rl/parallel.h"

namespace distill {

/// Contexts that a model looks up while it is scored, and what share of the prediction they have.
struct MemoryTask {
  std::vector<envs::Example> examples;
  agents::ContextMemoryOptions options;
  double share = 0.25;
};

/// What held-out text says about models, the same for all models of a run.
struct EvaluationTask {
  std::vector<envs::Example> examples;  // held-out prompts and their written responses
  std::shared_ptr<const envs::Tokenizer> tokenizer;
  agents::Decoder teacher{nullptr};  // empty: nothing is compared with a teacher
  agents::OfferOptions offer;        // the action set whose mass is reported
  std::optional<MemoryTask> memory;  // absent: nothing is looked up
  int64_t continuations = 0;         // of the examples, how many are continued as well
  int64_t max_new_tokens = 0;
  std::vector<int64_t> end_ids;
  int64_t micro_batch_tokens = 8192;
  rl::Threads threads;
  uint64_t seed = 1;  // of the continuations
};

/// What a model wrote after a held-out prompt.
struct Continuation {
  std::string prompt, written, reference;
};

struct Evaluation {
  ModelScores scores;
  std::vector<Continuation> continuations;
};

/// Scores a model: likelihood and divergences from the teacher at the states of the written responses,
/// ROUGE-L and the divergence at the states of its own continuations (sampled as it is: temperature 1,
/// nothing filtered).
Evaluation evaluate(const std::string& name, const agents::Decoder& model,
                    const EvaluationTask& task);

/// The held-out examples as rows.
rl::Trajectory held_out_rows(const EvaluationTask& task);

/// Mean over tokens of -log q at the written responses, nats; what a training watches.
double held_out_nats(const agents::Decoder& model, const EvaluationTask& task);

}  // namespace distill

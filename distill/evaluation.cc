#include "distill/evaluation.h"

#include <chrono>
#include <cmath>
#include <span>
#include <utility>

#include "distill/comparison.h"
#include "distill/rouge.h"
#include "envs/token/dataset_source.h"
#include "envs/token/token_environment.h"
#include "rl/batching.h"
#include "rl/opinion.h"
#include "rl/ops/retrieval.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::Tensor;

Comparison compare(const agents::Decoder& model, const EvaluationTask& task,
                   const rl::Trajectory& trajectory) {
  const ComparisonOptions options{task.offer, task.micro_batch_tokens, task.threads};
  const agents::LanguageModel policy(model);
  if (task.teacher.is_empty()) return compare_policies(policy, nullptr, trajectory, options);
  const agents::LmTeacher teacher(task.teacher, agents::OfferOptions());
  return compare_policies(policy, &teacher, trajectory, options);
}

std::string text_of(const EvaluationTask& task, std::span<const int64_t> ids) {
  return task.tokenizer->decode(ids, /*skip_special=*/true);
}

double response_bytes(const EvaluationTask& task) {
  double bytes = 0;
  for (const envs::Example& e : task.examples) {
    bytes += static_cast<double>(text_of(task, e.response).size());
  }
  return bytes;
}

rl::Trajectory continue_prompts(const agents::Decoder& model, const EvaluationTask& task) {
  const auto stage = [&] {
    const envs::TokenEnvironmentOptions options{.vocabulary_size = model->vocabulary_size(),
                                                .end_ids = task.end_ids,
                                                .max_new_tokens = task.max_new_tokens};
    const auto prompt_of = [&](int64_t episode) {
      return task.examples[static_cast<size_t>(episode)].prompt;
    };
    return rl::Rollout::Stage{
        std::make_unique<envs::TokenEnvironment>(options, prompt_of),
        std::make_unique<agents::LanguageModelActor>(model, agents::SamplingOptions{},
                                                     task.max_new_tokens, task.seed, "evaluation")};
  };
  rl::Rollout rollout(stage, task.threads, /*own=*/true);
  const int64_t count = std::min(task.continuations, static_cast<int64_t>(task.examples.size()));
  return rollout.collect(torch::arange(count), 0);
}

std::vector<Continuation> texts_of(const rl::Trajectory& played, const EvaluationTask& task) {
  std::vector<Continuation> result;
  const Tensor counts = played.step_counts().cpu(), actions = played.action.cpu().contiguous();
  for (int64_t b = 0; b < played.size(); ++b) {
    const envs::Example& example = task.examples[static_cast<size_t>(b)];
    const Tensor row = actions[b];
    const std::span<const int64_t> ids(row.data_ptr<int64_t>(),
                                       static_cast<size_t>(counts[b].item<int64_t>()));
    result.push_back(
        {text_of(task, example.prompt), text_of(task, ids), text_of(task, example.response)});
  }
  return result;
}

double mean_rouge(const std::vector<Continuation>& continuations) {
  double sum = 0;
  for (const Continuation& c : continuations) {
    sum += rouge_l(c.written, c.reference, WordForm::kPlain).fmeasure;
  }
  return continuations.empty() ? 0 : sum / static_cast<double>(continuations.size());
}

// Mean over tokens of -log(share p_near + (1 - share) q) at the written responses.
double nats_with_memory(const agents::Decoder& model, const EvaluationTask& task) {
  torch::NoGradGuard no_grad;
  const MemoryTask& remembered = *task.memory;
  const auto count = static_cast<int64_t>(remembered.examples.size());
  const agents::ContextMemory memory(model, task.teacher,
                                     envs::trajectory_of(remembered.examples, torch::arange(count)),
                                     remembered.options, task.micro_batch_tokens);
  const rl::Trajectory all = held_out_rows(task);
  double sum = 0;
  for (const Tensor& rows : rl::cut_by_tokens(all, task.micro_batch_tokens, 1)) {
    const rl::Trajectory there = all.select(rows);
    const rl::PolicyOutput output = agents::LanguageModel(model).evaluate(there);
    const rl::Trajectory part = there.to(output.features.device());
    const Tensor own = rl::map_states(output, part, part.mask, [](const rl::Opinion& opinion) {
                         return opinion.action_log_prob();
                       }).masked_select(part.mask);
    const Tensor hidden =
        output.features.flatten(0, 1).index_select(0, part.mask.flatten().nonzero().squeeze(1));
    const Tensor near = memory.probs(hidden, part.action.masked_select(part.mask));
    const Tensor mixed = rl::ops::interpolated(
        near.to(torch::kFloat64), own.cpu().to(torch::kFloat64).exp(), remembered.share);
    sum -= mixed.log().sum().item<double>();
  }
  return sum / all.mask.sum().item<double>();
}

}  // namespace

rl::Trajectory held_out_rows(const EvaluationTask& task) {
  return envs::trajectory_of(task.examples,
                             torch::arange(static_cast<int64_t>(task.examples.size())));
}

Evaluation evaluate(const std::string& name, const agents::Decoder& model,
                    const EvaluationTask& task) {
  using Clock = std::chrono::steady_clock;
  Evaluation evaluation;
  ModelScores& scores = evaluation.scores;
  scores.name = name;
  const bool compares = !task.teacher.is_empty() && task.teacher.ptr() != model.ptr();
  const Comparison means = compare(model, task, held_out_rows(task));
  scores.nats_per_token = means.nats;
  scores.bits_per_byte = means.nats * means.states / std::log(2.0) / response_bytes(task);
  if (task.memory) scores.memory_nats = nats_with_memory(model, task);
  if (means.to_teacher) scores.teacher_mass = means.to_teacher->teacher_mass;
  if (compares) {
    scores.forward_kl = means.to_teacher->forward_kl;
    scores.reverse_kl = means.to_teacher->reverse_kl;
    scores.top1_agreement = means.to_teacher->top1_agreement;
    scores.student_mass = means.to_teacher->student_mass;
  }
  if (task.continuations > 0) {
    const auto begin = Clock::now();
    const rl::Trajectory played = continue_prompts(model, task);
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    evaluation.continuations = texts_of(played, task);
    scores.rouge_l = mean_rouge(evaluation.continuations);
    scores.tokens_per_second = played.mask.sum().item<double>() / seconds.count();
    if (compares) scores.own_reverse_kl = compare(model, task, played).to_teacher->reverse_kl;
  }
  return evaluation;
}

double held_out_nats(const agents::Decoder& model, const EvaluationTask& task) {
  EvaluationTask alone = task;
  alone.teacher = agents::Decoder(nullptr);
  return compare(model, alone, held_out_rows(alone)).nats;
}

}  // namespace distill

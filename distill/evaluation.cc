#include "distill/evaluation.h"

#include <chrono>
#include <cmath>
#include <span>
#include <utility>

#include "distill/rouge.h"
#include "envs/token/dataset_source.h"
#include "envs/token/token_environment.h"
#include "rl/batching.h"
#include "rl/opinion.h"
#include "rl/ops/divergence.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::Tensor;

// Columns worked out per state; those after kNats compare with the teacher.
enum Column : int64_t {
  kNats,
  kForwardKl,
  kReverseKl,
  kAgreement,
  kTeacherMass,
  kStudentMass,
  kAll
};

// Mass of log-probabilities on the actions of a set.
Tensor mass_on(const Tensor& log_probs, const rl::ActionSet& set) {
  const Tensor gathered = log_probs.gather(-1, set.ids.clamp_min(0)).exp();
  return gathered.masked_fill(set.valid().logical_not(), 0).sum(-1);
}

rl::ActionSet offered(const Tensor& log_probs, const agents::OfferOptions& offer) {
  const int64_t slots = std::min(offer.max_actions, log_probs.size(-1));
  return offer.kind == agents::OfferOptions::Kind::top_p ? rl::top_p(log_probs, offer.p, slots)
                                                         : rl::top_k(log_probs, slots);
}

Tensor compare(const rl::Opinion& opinion, const agents::OfferOptions& offer) {
  const Tensor& log_q = opinion.log_probs();
  const Tensor nats = -opinion.action_log_prob();
  if (!opinion.actions().has_prior()) return nats.unsqueeze(-1);
  const Tensor& log_p = opinion.prior_log_probs();
  const Tensor agreement = (log_p.argmax(-1) == log_q.argmax(-1)).to(torch::kFloat32);
  const bool whole = offer.kind == agents::OfferOptions::Kind::all;
  const rl::ActionSet set = whole ? rl::ActionSet{} : offered(log_p, offer);
  const Tensor one = torch::ones_like(nats);
  return torch::stack(
      {nats, rl::ops::forward_kl(log_p, log_q), rl::ops::reverse_kl(log_p, log_q), agreement,
       whole ? one : mass_on(log_p, set), whole ? one : mass_on(log_q, set)},
      -1);
}

struct Means {
  std::vector<double> values;  // per column
  double count = 0;            // states
};

Means means_of(const agents::Decoder& model, const agents::Decoder& teacher,
               const EvaluationTask& task, const rl::Trajectory& trajectory) {
  const int64_t columns = teacher.is_empty() ? 1 : int64_t{kAll};
  agents::OfferOptions everything;
  const auto parts = rl::cut_by_tokens(trajectory, task.micro_batch_tokens, task.threads.shards);
  std::vector<Tensor> sums(parts.size());
  rl::run_parallel(task.threads, static_cast<int64_t>(parts.size()), [&](int64_t i) {
    torch::NoGradGuard no_grad;
    rl::Trajectory part = trajectory.select(parts[static_cast<size_t>(i)]);
    if (!teacher.is_empty()) {
      part = part.with(agents::LmTeacher(teacher, everything).judge(part));
    }
    const rl::PolicyOutput output = agents::LanguageModel(model).evaluate(part);
    const Tensor values = rl::map_states(
        output, part, part.mask, [&](const rl::Opinion& o) { return compare(o, task.offer); },
        columns);
    sums[static_cast<size_t>(i)] = values.to(torch::kFloat64).flatten(0, 1).sum(0).cpu();
  });
  Tensor total = torch::zeros({columns}, torch::kFloat64);
  for (const Tensor& sum : sums) total += sum;
  Means means;
  means.count = trajectory.mask.sum().item<double>();
  for (int64_t c = 0; c < columns; ++c) {
    means.values.push_back(total[c].item<double>() / means.count);
  }
  return means;
}

rl::Trajectory written(const EvaluationTask& task) {
  return envs::trajectory_of(task.examples,
                             torch::arange(static_cast<int64_t>(task.examples.size())));
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

}  // namespace

Evaluation evaluate(const std::string& name, const agents::Decoder& model,
                    const EvaluationTask& task) {
  using Clock = std::chrono::steady_clock;
  Evaluation evaluation;
  ModelScores& scores = evaluation.scores;
  scores.name = name;
  const bool compares = !task.teacher.is_empty() && task.teacher.ptr() != model.ptr();
  const Means means = means_of(model, task.teacher, task, written(task));
  scores.nats_per_token = means.values[kNats];
  scores.bits_per_byte = means.values[kNats] * means.count / std::log(2.0) / response_bytes(task);
  if (!task.teacher.is_empty()) scores.teacher_mass = means.values[kTeacherMass];
  if (compares) {
    scores.forward_kl = means.values[kForwardKl];
    scores.reverse_kl = means.values[kReverseKl];
    scores.top1_agreement = means.values[kAgreement];
    scores.student_mass = means.values[kStudentMass];
  }
  if (task.continuations > 0) {
    const auto begin = Clock::now();
    const rl::Trajectory played = continue_prompts(model, task);
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    evaluation.continuations = texts_of(played, task);
    scores.rouge_l = mean_rouge(evaluation.continuations);
    scores.tokens_per_second = played.mask.sum().item<double>() / seconds.count();
    if (compares) {
      scores.own_reverse_kl = means_of(model, task.teacher, task, played).values[kReverseKl];
    }
  }
  return evaluation;
}

double held_out_nats(const agents::Decoder& model, const EvaluationTask& task) {
  return means_of(model, agents::Decoder(nullptr), task, written(task)).values[kNats];
}

}  // namespace distill

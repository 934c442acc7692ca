#include "distill/training.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "distill/components/components.h"
#include "rl/batching.h"
#include "rl/checkpoint.h"
#include "rl/metrics.h"
#include "rl/ops/masked.h"
#include "rl/schedule.h"
#include "rl/torch.h"

namespace distill {
namespace {

using Clock = std::chrono::steady_clock;

// Seconds between checkpoints, where the run file does not say.
constexpr double kCheckpointSeconds = 600;
// The decay of a budget of tokens is drawn over so many parts.
constexpr int64_t kBudgetParts = 1000000;

rl::TrainOptions train_options(const TrainConfig& train, const AgentSpec& agent) {
  rl::TrainOptions options{.steps = train.steps,
                           .step_budget = train.tokens,
                           .collect_budget = train.environment_steps,
                           .batch_size = train.batch_size,
                           .episodes_per_collect = episodes_per_collect(agent),
                           .updates_per_collect = train.updates_per_collect};
  // What is collected on policy is used up before more is.
  if (agent.memory.name == "on_policy") options.updates_per_collect = 0;
  return options;
}

LearnerSettings learner_settings(const TrainConfig& train, const rl::Threads& threads,
                                 const rl::Progress& progress, const rl::TrainOptions& options) {
  LearnerSettings settings;
  const rl::Decay decay = train.schedule == "linear"     ? rl::Decay::linear
                          : train.schedule == "constant" ? rl::Decay::constant
                                                         : rl::Decay::cosine;
  const rl::LearningRateSchedule fall(decay, 0, kBudgetParts);
  settings.learning_rate = [&progress, options, fall, rate = train.learning_rate,
                            warm_up = train.warmup_steps](int64_t step) {
    const double rise = std::min(
        1.0, static_cast<double>(step + 1) / static_cast<double>(std::max<int64_t>(1, warm_up)));
    const double share = progress.share(options);
    return rate * rise * fall(static_cast<int64_t>(share * static_cast<double>(kBudgetParts)));
  };
  settings.optimizer = {.beta1 = train.betas.at(0),
                        .beta2 = train.betas.at(1),
                        .epsilon = train.epsilon,
                        .weight_decay = train.weight_decay};
  settings.max_grad_norm = train.max_grad_norm;
  settings.micro_batch_tokens = micro_batch_tokens(train);
  settings.threads = threads;
  return settings;
}

RewardSpec distances(const RewardSpec& reward) {
  RewardSpec result;
  for (const RewardSpec::Term& part : reward.terms) {
    if (teacher_temperature(part.term)) result.terms.push_back(part);
  }
  return result;
}

rl::State state_of(const rl::Agent& agent, const rl::Progress& progress) {
  rl::State state;
  state.save("progress", progress);
  state.save("memory", agent.memory);
  state.save("source", *agent.source);
  for (size_t i = 0; i < agent.learners.size(); ++i) {
    state.save("learner" + std::to_string(i), *agent.learners[i]);
  }
  return state;
}

void restore(rl::Agent& agent, rl::Progress& progress, const rl::State& state,
             const std::shared_ptr<const rl::Readout>& prior_readout) {
  progress.load(state.part("progress"));
  agent.memory.load(state.part("memory"), prior_readout);
  agent.source->load(state.part("source"));
  for (size_t i = 0; i < agent.learners.size(); ++i) {
    agent.learners[i]->load(state.part("learner" + std::to_string(i)));
  }
}

// Minus the mean of the student's rewards that compare it with its teachers, at held-out states that are
// judged as the agent's batches are.
double distillation_loss(const AgentSpec& spec, const Context& context,
                         const rl::Trajectory& rows) {
  rl::Reward reward;
  for (const LearnerSpec& learner : spec.learners) {
    if (learner.trains != "student") continue;
    for (const ObjectiveSpec& objective : learner.objectives) {
      for (rl::Reward::Weighted& part : make_reward(distances(objective.reward)).terms) {
        part.weight *= objective.weight;
        reward.terms.push_back(std::move(part));
      }
    }
  }
  const auto judge = context.domain.judge(spec.judge, make_offer(spec, context.seed));
  const auto student = context.domain.model("student");
  const rl::Trajectory measured = rl::map_parts(
      rows, context.micro_batch_tokens, context.threads, [&](const rl::Trajectory& part) {
        torch::NoGradGuard no_grad;
        const rl::PolicyOutput output = student->evaluate(part);
        const rl::Trajectory judged = judge->judged(part).to(output.features.device());
        return part.with_note("reward", reward.of(judged, output).cpu());
      });
  return -rl::ops::masked_mean(measured.notes.at("reward"), rows.mask).item<double>();
}

// Ends a training that no longer gets better.
class Patience {
 public:
  explicit Patience(int64_t evaluations) : evaluations_(evaluations) {}

  void measured(double loss) {
    worse_ = loss < best_ ? 0 : worse_ + 1;
    best_ = std::min(best_, loss);
  }
  bool over() const { return evaluations_ > 0 && worse_ >= evaluations_; }

  void save(rl::State& state) const {
    state.put("best", best_);
    state.put("worse", worse_);
  }
  void load(const rl::State& state) {
    best_ = state.number("best");
    worse_ = state.integer("worse");
  }

 private:
  int64_t evaluations_;
  double best_ = std::numeric_limits<double>::infinity();
  int64_t worse_ = 0;
};

}  // namespace

int64_t micro_batch_tokens(const TrainConfig& train) {
  constexpr int64_t kDefault = 4096;
  return train.micro_batch_tokens > 0 ? train.micro_batch_tokens : kDefault;
}

Learned learn(const AgentSpec& spec, const TrainConfig& train, const Training& training,
              const std::string& folder, const StageEvents& events) {
  const std::string checkpoints = folder + "/checkpoints";
  const Context context{.domain = training.domain,
                        .seed = training.seed,
                        .threads = training.threads,
                        .micro_batch_tokens = micro_batch_tokens(train),
                        .generated = std::make_shared<std::atomic<int64_t>>(0)};
  const rl::TrainOptions options = train_options(train, spec);
  rl::Progress progress;
  rl::Agent agent =
      make_agent(spec, context, learner_settings(train, training.threads, progress, options));

  Patience patience(spec.patience);
  int64_t last_step = -1;
  double seconds_before = 0;
  if (const auto step = rl::latest_checkpoint(checkpoints)) {
    const rl::State state = rl::load_checkpoint(checkpoints, *step);
    restore(agent, progress, state, prior_readout(spec, context));
    *context.generated = state.integer("generated");
    seconds_before = state.number("seconds");
    patience.load(state.part("patience"));
    last_step = *step;
    if (events.say) {
      events.say("goes on from the checkpoint of update " + std::to_string(*step));
    }
  }
  const auto begin = Clock::now();
  const auto seconds = [&, before = seconds_before] {
    return before + std::chrono::duration<double>(Clock::now() - begin).count();
  };
  rl::MetricsLog log(folder + "/metrics.jsonl", last_step);
  auto saved_at = Clock::now();
  int64_t saved_step = progress.updates;
  const auto save = [&] {
    rl::State state = state_of(agent, progress);
    state.put("generated", context.generated->load());
    state.put("seconds", seconds());
    state.save("patience", patience);
    rl::save_checkpoint(checkpoints, progress.updates, state);
    saved_at = Clock::now();
    saved_step = progress.updates;
  };

  bool interrupted = false;
  const auto ended = [&] {
    return Learned{
        .interrupted = interrupted, .generated = *context.generated, .seconds = seconds()};
  };
  if (patience.over()) return ended();
  rl::train(agent, options, progress, [&](const rl::Progress& now, const rl::Metrics& metrics) {
    rl::Metrics line = metrics;
    const bool measures = train.evaluate_every > 0 && now.updates % train.evaluate_every == 0;
    if (measures) {
      const Training::Measured measured = training.measure(now);
      rl::merge(line, measured.metrics);
      agent.source->measured(measured.loss);
      if (spec.patience > 0) {
        const double loss = distillation_loss(spec, context, training.held_out);
        line["held_out/distillation"] = loss;
        patience.measured(loss);
      }
    }
    log.write(now.updates, line);
    if (events.update) events.update(now, now.share(options), line);
    const bool due =
        train.checkpoint_every > 0
            ? now.updates % train.checkpoint_every == 0
            : std::chrono::duration<double>(Clock::now() - saved_at).count() > kCheckpointSeconds;
    interrupted = events.interrupted && events.interrupted();
    if (due || interrupted) save();
    return !interrupted && !patience.over();
  });
  if (!interrupted && saved_step != progress.updates) save();
  return ended();
}

}  // namespace distill

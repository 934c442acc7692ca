#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rl/adam_w.h"
#include "rl/checkpoint.h"
#include "rl/loss.h"
#include "rl/metrics.h"
#include "rl/parallel.h"
#include "rl/policy.h"
#include "rl/trajectory.h"

namespace rl {

/// Which rows of a mixture an objective learns from.
enum class Rows { kAll, kFirst, kSecond };

/// What is learned: a loss of a reward, with a weight beside the learner's other objectives.
struct Objective {
  std::string name;
  double weight = 1.0;
  std::unique_ptr<Loss> loss;
  Reward reward;
  /// Rows of one source of a mixture (see Trajectory::second) are averaged among themselves, so that
  /// an objective counts as much whatever its rows' share of the batch is.
  Rows rows = Rows::kAll;
};

/// Whether an update averages over trained steps, or over rows and within each over its steps.
enum class Average { kSteps, kRows };

class Learner;

struct LearnerOptions {
  std::string name = "policy";  // prefix of its metrics
  /// Learning rate of the update with the given number (from 0).
  std::function<double(int64_t)> learning_rate = [](int64_t) { return 1e-3; };
  AdamWOptions optimizer;
  double max_grad_norm = 1.0;         // gradients are scaled down to it; 0: never
  int64_t micro_batch_tokens = 8192;  // positions worked on at a time, per shard
  Average average = Average::kSteps;
  Threads threads;
  /// Target network: copied every so many updates (0: never), or averaged with this share of the
  /// online parameters after each (0: never).
  int64_t target_copy_every = 0;
  double target_average = 0;
  /// Judges what this learner learns from, as its prior is now, at every update; null: the batch is
  /// judged already.
  std::shared_ptr<const Prior> judge = nullptr;
  /// The learner of the policy that `judge` asks. If it learns from the same batch, before this one, what its
  /// policy makes of the batch is not asked for again.
  const Learner* judge_learns = nullptr;
  /// Keeps what the policy makes of a batch until the step, for learners whose judge it is.
  bool keeps_states = false;
};

/// The gradient step; the only place that runs a backward pass for learning.
///
/// A batch is cut into micro-batches by a budget of positions; shards work on them at the same time,
/// each adding up gradients of its own, which are put together in a fixed order. Losses are sums and
/// are divided by the weight of the whole update at the end, so the gradient does not depend on the
/// cut.
class Learner {
 public:
  Learner(std::shared_ptr<PolicyModel> model, std::vector<Objective> objectives,
          LearnerOptions options);

  /// Lets the objectives note down what they need once per collected batch, part by part.
  Trajectory prepare(const Trajectory& batch) const;

  /// Adds the gradients of a batch, its rows weighed by their `importance`. Large batches may be added in
  /// parts; objectives of some of the rows are averaged within each.
  ///
  /// @return float32[B], how wrong the policy was about each row: the mean over its trained steps, of
  ///     all objectives that tell. Undefined where none does.
  Tensor accumulate(const Trajectory& batch);

  /// Applies the gradients added since the last step.
  ///
  /// @throws std::runtime_error naming the objective or parameter whose value is not finite; the
  ///         parameters are then unchanged.
  ///
  /// @param progress share of the training done, in [0, 1].
  Metrics step(double progress = 0);

  /// Whether an objective has learned enough, at the last step, from what was collected.
  bool enough() const { return enough_; }

  int64_t updates() const { return optimizer_.steps; }
  const PolicyModel& model() const { return *model_; }
  /// Gradients added so far, divided by the weight of the update; in the order of the parameters.
  std::vector<Tensor> gradients() const;

  void save(State& state) const;
  void load(const State& state);

 private:
  // What one shard adds up.
  struct Sums {
    std::vector<Tensor> gradients;
    std::vector<Tensor> losses;        // one per objective
    std::vector<PartMetrics> metrics;  // the same
  };

  // The batch as the objective sees it, with its own notes; steps that are not for it are not to be learned.
  Trajectory seen_by(const Trajectory& batch, const Objective& objective) const;
  // The batch with what the objective noted down in `seen`, its own view of it.
  Trajectory with_notes_of(const Trajectory& batch, const Objective& objective,
                           const Trajectory& seen) const;
  // Of what an objective learns from, in a batch.
  struct Share {
    Tensor factor;    // float32[] of its steps' weights, so that its mean is over its own
    Tensor of_first;  // LossInput::first_share
  };
  std::vector<Share> shares(const Trajectory& batch) const;
  // What a part of a batch came to.
  struct Part {
    Tensor errors;        // float32[B] of the part's rows, or undefined
    PolicyOutput states;  // without gradient; where they are kept
  };
  Part add_part(const Trajectory& part, const std::vector<Share>& shares, Sums& sums) const;
  // The batch as the learner's judge sees it, if that is known without asking.
  std::optional<Trajectory> judged_already(const Trajectory& batch) const;
  void add_sums(Sums& into, const Sums& from) const;
  Tensor weight_of(const Trajectory& batch) const;
  void check_finite(const std::vector<double>& losses, double norm) const;
  void update_target();
  void clear();
  torch::Device device() const;

  std::shared_ptr<PolicyModel> model_;
  std::unique_ptr<PolicyModel> target_;
  std::vector<Objective> objectives_;
  LearnerOptions options_;
  NamedTensors parameters_;
  AdamW optimizer_;
  Sums total_;
  Tensor weight_;  // float64[] of the update so far
  Tensor count_;   // int64[] trained steps of the update so far
  // What the policy made of the batch added last, which is known by its mask; where it is kept.
  struct Seen {
    Tensor mask;
    PolicyOutput states;
  };
  Seen seen_;
  bool enough_ = false;
};

}  // namespace rl

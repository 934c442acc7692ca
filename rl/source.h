#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "rl/environment.h"
#include "rl/parallel.h"
#include "rl/policy.h"
#include "rl/trajectory.h"

namespace rl {

class State;

/// Where experience comes from: a data set, the policy itself, a teacher, a mixture.
///
/// What is collected is a function of the episode ids (and of the policy), not of what was collected
/// before: a restart needs nothing but the next id, and a batch may be cut at will.
class Source {
 public:
  virtual ~Source() = default;

  /// Plays, or looks up, the episodes with the given ids.
  ///
  /// @param episodes int64[B], on the host.
  /// @param progress share of the training done, in [0, 1).
  virtual Trajectory collect(const Tensor& episodes, double progress) = 0;

  /// Told how well the policy does on held-out data, whenever that is measured; for sources that turn by
  /// it.
  ///
  /// @param loss the lower the better.
  virtual void measured(double loss) { (void)loss; }

  /// What a restart needs beyond the next id; most sources need nothing.
  virtual void save(State& state) const { (void)state; }
  virtual void load(const State& state) { (void)state; }
};

/// Plays B episodes to their end. Rows that are over leave the batch.
///
/// @param own whether actions are drawn from the policy that learns, as it is (see Trajectory::own).
Trajectory play(Environment& environment, Actor& actor, const Tensor& episodes, bool own);

/// Whole episodes played by an actor, cut into shards that play at the same time.
class Rollout : public Source {
 public:
  /// A world and somebody who acts in it; one pair per shard.
  struct Stage {
    std::unique_ptr<Environment> environment;
    std::unique_ptr<Actor> actor;
  };

  /// @param make gives a new stage, called once per shard.
  Rollout(const std::function<Stage()>& make, const Threads& threads, bool own);
  Trajectory collect(const Tensor& episodes, double progress) override;

 private:
  Threads threads_;
  bool own_;
  std::vector<Stage> stages_;
};

/// Pieces of `steps` steps from a world that restarts by itself: what PPO and DQN learn from. Episodes
/// go on from piece to piece.
class Segments : public Source {
 public:
  Segments(std::unique_ptr<Environment> environment, std::unique_ptr<Actor> actor, int64_t steps);
  Trajectory collect(const Tensor& episodes, double progress) override;

  /// Where the world stands. The actor begins anew in its middle: it must need nothing of what was before.
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  std::unique_ptr<Environment> environment_;
  std::unique_ptr<Actor> actor_;
  int64_t steps_;
  TimeStep now_;
};

/// Episodes that were played before, in random order without end: an epoch goes once through all.
class Recorded : public Source {
 public:
  Recorded(Trajectory episodes, uint64_t seed);
  Trajectory collect(const Tensor& episodes, double progress) override;

 private:
  Trajectory episodes_;
  uint64_t key_;
};

/// Two sources that take turns. Rows say which they came from (Trajectory::second).
class TwoSources : public Source {
 public:
  TwoSources(std::unique_ptr<Source> first, std::unique_ptr<Source> second)
      : first_(std::move(first)), second_(std::move(second)) {}
  void measured(double loss) override;
  void save(State& state) const override;
  void load(const State& state) override;

 protected:
  /// @param episodes int64[B]. @param to_second bool[B].
  Trajectory collect_from(const Tensor& episodes, const Tensor& to_second, double progress);

 private:
  std::unique_ptr<Source> first_, second_;
};

/// Two sources in a mixture whose shares may change in the course of the training.
class Mix : public TwoSources {
 public:
  /// @param share of the second source, in [0, 1], by progress.
  /// @param per_row whether each episode is drawn by itself, or a whole batch at once.
  /// @param seed of the draws, which are functions of the episode ids.
  Mix(std::unique_ptr<Source> first, std::unique_ptr<Source> second,
      std::function<double(double)> share, bool per_row, uint64_t seed);
  Trajectory collect(const Tensor& episodes, double progress) override;

 private:
  std::function<double(double)> share_;
  bool per_row_;
  uint64_t key_;
};

/// Both of two sources, prompt by prompt: ids 2i and 2i + 1 are episode i of the first and of the second.
class Pairs : public TwoSources {
 public:
  using TwoSources::TwoSources;
  Trajectory collect(const Tensor& episodes, double progress) override;
};

/// Pays for whole trajectories, once, where they are collected: what the policy in training thinks of them
/// does not matter. On top of what the environment pays.
class Payer {
 public:
  virtual ~Payer() = default;

  /// float32[B, T]; what stands where no action was taken does not matter.
  virtual Tensor pay(const Trajectory& trajectory) const = 0;
};

/// Adds what payers pay, each by its weight, to the rewards of everything another source collects.
class Paid : public Source {
 public:
  struct Weighted {
    double weight;
    std::shared_ptr<const Payer> payer;
  };

  Paid(std::unique_ptr<Source> source, std::vector<Weighted> payers);
  Trajectory collect(const Tensor& episodes, double progress) override;
  void measured(double loss) override { source_->measured(loss); }
  void save(State& state) const override { source_->save(state); }
  void load(const State& state) override { source_->load(state); }

 private:
  std::unique_ptr<Source> source_;
  std::vector<Weighted> payers_;
};

/// Changes, in the course of a training, what a prior judges by: other than by learning from it.
class Follower {
 public:
  virtual ~Follower() = default;

  /// Called with everything that was collected, before it is judged.
  virtual void follow(const Trajectory& collected) = 0;

  virtual void save(State& state) const = 0;
  virtual void load(const State& state) = 0;
};

/// Shows a follower everything another source collects.
class Followed : public Source {
 public:
  Followed(std::unique_ptr<Source> source, std::shared_ptr<Follower> follower);
  Trajectory collect(const Tensor& episodes, double progress) override;
  void measured(double loss) override { source_->measured(loss); }
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  std::unique_ptr<Source> source_;
  std::shared_ptr<Follower> follower_;
};

/// Asks a prior what it thinks of everything another source collects, part by part.
class Judged : public Source {
 public:
  /// @param part_tokens states judged at a time per shard.
  Judged(std::unique_ptr<Source> source, std::shared_ptr<const Prior> prior, const Threads& threads,
         int64_t part_tokens);
  Trajectory collect(const Tensor& episodes, double progress) override;
  void measured(double loss) override { source_->measured(loss); }
  void save(State& state) const override { source_->save(state); }
  void load(const State& state) override { source_->load(state); }

 private:
  std::unique_ptr<Source> source_;
  std::shared_ptr<const Prior> prior_;
  Threads threads_;
  int64_t part_tokens_;
};

}  // namespace rl

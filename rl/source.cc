#include "rl/source.h"

#include <algorithm>
#include <utility>

#include "rl/batching.h"
#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/ops/masked.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace rl {
namespace {

// Steps between two looks at who is over: a look makes the device wait.
constexpr int64_t kLookEvery = 8;
// Rows leave the batch once so large a share of it is over.
constexpr double kLeaveShare = 0.125;

// Writes down what happens, step by step, and makes a trajectory of it.
class Recorder {
 public:
  Recorder(const Environment& environment, const TimeStep& first)
      : spec_(environment.spec()),
        first_(first),
        rows_(torch::arange(first.size(), first.episode.options())),
        alive_(first.last.logical_not()) {}

  // One step: what was seen, what was done, what it led to.
  void add(const TimeStep& now, const Choice& choice, const TimeStep& next) {
    steps_.push_back({rows_,
                      {spec_.observation_is_prefix ? Tensor() : now.observation, now.actions},
                      choice.action_ids,
                      choice.log_prob,
                      next.reward,
                      next.discount,
                      alive_,
                      alive_.logical_and(next.last).logical_and(next.discount != 0)});
    after_ = {spec_.observation_is_prefix ? Tensor() : next.observation, next.actions};
    alive_ = spec_.restarts ? next.last.logical_not() : alive_.logical_and(next.last.logical_not());
  }

  const Tensor& alive() const { return alive_; }

  void keep(const Tensor& kept) {
    leave();
    rows_ = rows_.index_select(0, kept);
    alive_ = alive_.index_select(0, kept);
    const auto pick = [&](const Tensor& x) { return x.index_select(0, kept); };
    if (after_.observation.defined()) after_.observation = pick(after_.observation);
    after_.actions = after_.actions.map(pick);
  }

  // @param cut whether rows still alive were cut here and have one more state.
  Trajectory finish(bool own, bool cut) {
    const int64_t steps = static_cast<int64_t>(steps_.size());
    const int64_t columns = steps + 1;
    const auto blank = [&](const Tensor& like) {
      std::vector<int64_t> shape = {first_.size(), columns};
      for (int64_t d = 1; d < like.dim(); ++d) shape.push_back(like.size(d));
      return torch::zeros(shape, like.options());
    };
    const Step& s0 = steps_.front();
    Trajectory t{.observation = {},
                 .start = {},
                 .action = blank(s0.action),
                 .actions = s0.seen.actions.map(blank),
                 .behavior_log_prob = blank(s0.log_prob),
                 .reward = blank(s0.reward),
                 .discount = blank(s0.discount),
                 .mask = blank(s0.alive),
                 .state_mask = blank(s0.alive),
                 .episode = first_.episode,
                 .own = torch::full({first_.size()}, own, first_.last.options()),
                 .notes = {}};
    if (!spec_.observation_is_prefix) t.observation = blank(s0.seen.observation);
    for (int64_t c = 0; c < steps; ++c) {
      const Step& s = steps_[static_cast<size_t>(c)];
      const auto put = [&](Tensor& to, const Tensor& value) { place(to, value, c, s.rows); };
      put(t.action, s.action.masked_fill(s.alive.logical_not(), 0));
      put(t.behavior_log_prob, s.log_prob * s.alive);
      put(t.reward, s.reward * s.alive);
      put(t.discount, s.discount * s.alive);
      put(t.mask, s.alive);
      place(t, s.seen, c, s.rows);
      t.state_mask.select(1, c).index_put_(
          {s.rows}, s.alive.logical_or(t.state_mask.select(1, c).index_select(0, s.rows)));
      // The state after a truncated end exists too.
      t.state_mask.select(1, c + 1).index_copy_(0, s.rows, s.truncated);
    }
    leave();
    for (const Departure& d : departures_) place(t, d.seen, d.column, d.rows);
    if (cut) {
      t.state_mask.select(1, steps).index_copy_(
          0, rows_, alive_.logical_or(t.state_mask.select(1, steps).index_select(0, rows_)));
    }
    if (spec_.observation_is_prefix) write_prefixes(t);
    return t;
  }

 private:
  // What a state shows.
  struct Seen {
    Tensor observation;  // undefined for prefixes
    ActionSet actions;
  };

  struct Step {
    Tensor rows;
    Seen seen;
    Tensor action, log_prob, reward, discount, alive, truncated;
  };

  // What the last step led to, of rows whose next step is not recorded.
  struct Departure {
    int64_t column;
    Tensor rows;
    Seen seen;
  };

  void leave() {
    if (!steps_.empty()) {
      departures_.push_back({static_cast<int64_t>(steps_.size()), rows_, after_});
    }
  }

  static void place(Tensor& to, const Tensor& value, int64_t column, const Tensor& rows) {
    if (value.defined()) to.select(1, column).index_copy_(0, rows, value);
  }

  static void place(Trajectory& to, const Seen& seen, int64_t column, const Tensor& rows) {
    place(to.observation, seen.observation, column, rows);
    place(to.actions.ids, seen.actions.ids, column, rows);
    place(to.actions.prior_log_probs, seen.actions.prior_log_probs, column, rows);
    place(to.actions.tail_log_prob, seen.actions.tail_log_prob, column, rows);
  }

  // A prefix is what stood there first, followed by the actions.
  void write_prefixes(Trajectory& t) const {
    const int64_t steps = t.length() - 1;
    t.start = first_.length - 1;
    t.observation = torch::cat(
        {first_.observation, torch::zeros({first_.size(), steps}, first_.observation.options())},
        1);
    const Tensor actions = t.action.narrow(1, 0, steps), taken = t.mask.narrow(1, 0, steps);
    const Tensor position =
        first_.length.unsqueeze(1) + torch::arange(steps, first_.length.options()).unsqueeze(0);
    const Tensor old = t.observation.gather(1, position);
    t.observation.scatter_(1, position, torch::where(taken, actions, old));
  }

  const EnvironmentSpec& spec_;
  TimeStep first_;
  Tensor rows_, alive_;
  Seen after_;
  std::vector<Step> steps_;
  std::vector<Departure> departures_;
};

}  // namespace

Trajectory play(Environment& environment, Actor& actor, const Tensor& episodes, bool own) {
  torch::NoGradGuard no_grad;
  TimeStep now = environment.reset(episodes);
  actor.begin(now);
  Recorder recorder(environment, now);
  for (int64_t step = 1; step <= environment.spec().max_episode_steps; ++step) {
    const Choice choice = actor.act(now);
    TimeStep next = environment.step(choice.action_ids);
    recorder.add(now, choice, next);
    now = std::move(next);
    if (step % kLookEvery != 0) continue;
    const Tensor kept = recorder.alive().nonzero().squeeze(1);
    if (kept.size(0) == 0) break;
    if (static_cast<double>(kept.size(0)) > (1 - kLeaveShare) * static_cast<double>(now.size())) {
      continue;
    }
    recorder.keep(kept);
    environment.keep(kept);
    actor.keep(kept);
    now = rows_of(now, kept);
  }
  const Trajectory played = recorder.finish(own, /*cut=*/false);
  return played.select(torch::arange(played.size(), played.episode.options()));
}

Rollout::Rollout(const std::function<Stage()>& make, const Threads& threads, bool own)
    : threads_(threads), own_(own) {
  for (int i = 0; i < std::max(1, threads.shards); ++i) stages_.push_back(make());
}

Trajectory Rollout::collect(const Tensor& episodes, double progress) {
  const int64_t count = episodes.size(0);
  const int64_t parts = std::min<int64_t>(static_cast<int64_t>(stages_.size()), count);
  std::vector<Trajectory> played(static_cast<size_t>(parts));
  run_parallel(threads_, parts, [&](int64_t i) {
    const int64_t begin = part_begin(count, parts, i), end = part_begin(count, parts, i + 1);
    Stage& stage = stages_[static_cast<size_t>(i)];
    stage.actor->set_progress(progress);
    played[static_cast<size_t>(i)] =
        play(*stage.environment, *stage.actor, episodes.slice(0, begin, end), own_);
  });
  return concatenate(played);
}

Segments::Segments(std::unique_ptr<Environment> environment, std::unique_ptr<Actor> actor,
                   int64_t steps)
    : environment_(std::move(environment)), actor_(std::move(actor)), steps_(steps) {
  require(environment_->spec().restarts && !environment_->spec().observation_is_prefix,
          "segments need an environment that restarts by itself");
}

Trajectory Segments::collect(const Tensor& episodes, double progress) {
  torch::NoGradGuard no_grad;
  actor_->set_progress(progress);
  if (!now_.episode.defined() || now_.size() != episodes.size(0)) {
    now_ = environment_->reset(episodes);
    actor_->begin(now_);
  }
  Recorder recorder(*environment_, now_);
  for (int64_t step = 0; step < steps_; ++step) {
    const Choice choice = actor_->act(now_);
    TimeStep next = environment_->step(choice.action_ids);
    recorder.add(now_, choice, next);
    now_ = std::move(next);
  }
  return recorder.finish(/*own=*/true, /*cut=*/true);
}

void Segments::save(State& state) const {
  const bool begun = now_.episode.defined();
  state.put("begun", static_cast<int64_t>(begun));
  if (!begun) return;
  state.save("environment", *environment_);
}

void Segments::load(const State& state) {
  now_ = {};
  if (state.integer("begun") == 0) return;
  now_ = environment_->load(state.part("environment"));
  actor_->begin(now_);
}

Judged::Judged(std::unique_ptr<Source> source, std::shared_ptr<const Prior> prior,
               const Threads& threads, int64_t part_tokens)
    : source_(std::move(source)),
      prior_(std::move(prior)),
      threads_(threads),
      part_tokens_(part_tokens) {}

Trajectory Judged::collect(const Tensor& episodes, double progress) {
  torch::NoGradGuard no_grad;
  const Trajectory batch = source_->collect(episodes, progress);
  return map_parts(batch, part_tokens_, threads_, [&](const Trajectory& part) {
    torch::NoGradGuard inner;
    return prior_->judged(part).to(torch::kCPU);
  });
}

Followed::Followed(std::unique_ptr<Source> source, std::shared_ptr<Follower> follower)
    : source_(std::move(source)), follower_(std::move(follower)) {}

Trajectory Followed::collect(const Tensor& episodes, double progress) {
  Trajectory batch = source_->collect(episodes, progress);
  follower_->follow(batch);
  return batch;
}

void Followed::save(State& state) const {
  state.save("source", *source_);
  state.save("follower", *follower_);
}

void Followed::load(const State& state) {
  source_->load(state.part("source"));
  follower_->load(state.part("follower"));
}

Paid::Paid(std::unique_ptr<Source> source, std::vector<Weighted> payers)
    : source_(std::move(source)), payers_(std::move(payers)) {}

Trajectory Paid::collect(const Tensor& episodes, double progress) {
  torch::NoGradGuard no_grad;
  Trajectory batch = source_->collect(episodes, progress);
  for (const Weighted& part : payers_) {
    const Tensor paid = part.payer->pay(batch);
    expect_shape(paid, {batch.size(), batch.length()}, "what a payer pays");
    batch.reward = batch.reward + part.weight * ops::masked(paid, batch.mask);
  }
  return batch;
}

Recorded::Recorded(Trajectory episodes, uint64_t seed)
    : episodes_(std::move(episodes)), key_(role_key(seed, "recorded")) {}

Trajectory Recorded::collect(const Tensor& episodes, double progress) {
  (void)progress;
  const int64_t size = episodes_.size();
  std::vector<int64_t> rows, order;
  int64_t epoch = -1;
  for (int64_t i = 0; i < episodes.size(0); ++i) {
    const int64_t id = episodes[i].item<int64_t>();
    if (id / size != epoch) {
      epoch = id / size;
      order = permutation(size, key_, static_cast<uint64_t>(epoch));
    }
    rows.push_back(order[static_cast<size_t>(id % size)]);
  }
  return episodes_.select(torch::tensor(rows, episodes_.episode.options()));
}

Trajectory TwoSources::collect_from(const Tensor& episodes, const Tensor& to_second,
                                    double progress) {
  const Tensor for_first = episodes.masked_select(to_second.logical_not());
  const Tensor for_second = episodes.masked_select(to_second);
  std::vector<Trajectory> parts;
  const auto add = [&](Source& source, const Tensor& ids, bool is_second) {
    if (ids.size(0) == 0) return;
    Trajectory part = source.collect(ids, progress);
    part.second = torch::full({part.size()}, is_second, part.own.options());
    parts.push_back(part);
  };
  add(*first_, for_first, false);
  add(*second_, for_second, true);
  // In the order asked for, so that a part of the batch is a mixture too.
  const Tensor places =
      torch::cat({to_second.logical_not().nonzero(), to_second.nonzero()}).squeeze(1);
  return concatenate(parts).select(places.argsort().to(parts.front().action.device()));
}

void TwoSources::measured(double loss) {
  first_->measured(loss);
  second_->measured(loss);
}

void TwoSources::save(State& state) const {
  state.save("first", *first_);
  state.save("second", *second_);
}

void TwoSources::load(const State& state) {
  first_->load(state.part("first"));
  second_->load(state.part("second"));
}

Mix::Mix(std::unique_ptr<Source> first, std::unique_ptr<Source> second,
         std::function<double(double)> share, bool per_row, uint64_t seed)
    : TwoSources(std::move(first), std::move(second)),
      share_(std::move(share)),
      per_row_(per_row),
      key_(role_key(seed, "mix")) {}

Trajectory Mix::collect(const Tensor& episodes, double progress) {
  const Tensor deciding = per_row_ ? episodes : episodes.narrow(0, 0, 1).expand_as(episodes);
  const Tensor to_second = uniform(key_, deciding, torch::zeros_like(episodes)) < share_(progress);
  return collect_from(episodes, to_second, progress);
}

Trajectory Pairs::collect(const Tensor& episodes, double progress) {
  return collect_from(torch::div(episodes, 2, "floor"), episodes.remainder(2) == 1, progress);
}

}  // namespace rl

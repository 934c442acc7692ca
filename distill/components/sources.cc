#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/adaptive_mix.h"
#include "rl/hindsight.h"
#include "rl/torch.h"

namespace distill {
namespace {

// Counts what another source's actors do.
class Counted : public rl::Source {
 public:
  Counted(std::unique_ptr<rl::Source> source, std::shared_ptr<std::atomic<int64_t>> count)
      : source_(std::move(source)), count_(std::move(count)) {}

  rl::Trajectory collect(const rl::Tensor& episodes, double progress) override {
    rl::Trajectory played = source_->collect(episodes, progress);
    *count_ += played.mask.sum().item<int64_t>();
    return played;
  }
  void measured(double loss) override { source_->measured(loss); }
  void save(rl::State& state) const override { source_->save(state); }
  void load(const rl::State& state) override { source_->load(state); }

 private:
  std::unique_ptr<rl::Source> source_;
  std::shared_ptr<std::atomic<int64_t>> count_;
};

std::unique_ptr<rl::Source> rollout(const RolloutOptions& options, const Context& context) {
  std::unique_ptr<rl::Source> source = context.domain.rollout(options);
  if (!context.generated) return source;
  return std::make_unique<Counted>(std::move(source), context.generated);
}

std::unique_ptr<rl::Source> make_dataset(const Options& options, const Context& context) {
  static_cast<void>(bound<DatasetOptions>(options));
  return context.domain.dataset();
}

std::unique_ptr<rl::Source> make_groups(const Options& options, const Context& context) {
  return context.domain.groups(bound<GroupsOptions>(options));
}

std::unique_ptr<rl::Source> make_rollout(const Options& options, const Context& context) {
  return rollout(bound<RolloutOptions>(options), context);
}

std::unique_ptr<rl::Source> make_segments(const Options& options, const Context& context) {
  return context.domain.segments(bound<SegmentsOptions>(options));
}

// Who writes the responses that are not the student's.
std::unique_ptr<rl::Source> make_first(const std::string& writer, const SamplingOptions& sampling,
                                       const Context& context) {
  if (writer == "dataset") return context.domain.dataset();
  return rollout({.actor = writer, .sampling = sampling}, context);
}

std::unique_ptr<rl::Source> make_mix(const Options& options, const Context& context) {
  const auto found = bound<MixOptions>(options);
  return std::make_unique<rl::Mix>(
      make_first(found.first, found.sampling, context),
      rollout({.actor = found.actor, .sampling = found.sampling}, context),
      [share = found.student_fraction](double progress) { return share.at(progress); },
      found.per == "example", context.seed);
}

std::unique_ptr<rl::Source> make_pairs(const Options& options, const Context& context) {
  const auto found = bound<PairsOptions>(options);
  return std::make_unique<rl::Pairs>(
      make_first(found.first, found.sampling, context),
      rollout({.actor = "student", .sampling = found.sampling}, context));
}

// How much of the student's share is written anew, by progress.
std::function<double(double)> fresh_share(const std::string& schedule) {
  if (schedule == "constant") return [](double) { return 0.5; };
  if (schedule == "increasing") return [](double progress) { return progress; };
  return [](double progress) { return 1 - progress; };
}

std::unique_ptr<rl::Source> make_adaptive_mix(const Options& options, const Context& context) {
  const auto found = bound<AdaptiveMixOptions>(options);
  const bool as_in_paper = found.variant == "paper";
  return std::make_unique<rl::AdaptiveMix>(
      context.domain.dataset(), rollout({.actor = "student", .sampling = found.sampling}, context),
      rl::AdaptiveMixOptions{.share = {.first = found.share,
                                       .step = found.share_step,
                                       .tolerance = found.tolerance,
                                       .against_last = as_in_paper},
                             .fresh = fresh_share(found.schedule),
                             .capacity = found.capacity,
                             .draw_always = as_in_paper},
      context.seed);
}

std::unique_ptr<rl::Source> make_mixed_pairs(const Options& options, const Context& context) {
  const auto found = bound<MixedPairsOptions>(options);
  return std::make_unique<rl::Mix>(
      context.domain.pairs(0), context.domain.pairs(found.beta_shape),
      [share = found.mixed_share](double) { return share; }, /*per_row=*/true, context.seed);
}

struct SourceEntry {
  const char* name;
  std::unique_ptr<rl::Source> (*make)(const Options&, const Context&);
};

constexpr SourceEntry kSources[] = {
    {"adaptive_mix", make_adaptive_mix},
    {"dataset", make_dataset},
    {"groups", make_groups},
    {"mix", make_mix},
    {"mixed_pairs", make_mixed_pairs},
    {"pairs", make_pairs},
    {"rollout", make_rollout},
    {"segments", make_segments},
};

std::unique_ptr<rl::Source> make_plain_source(const ComponentSpec& spec, const Context& context) {
  for (const SourceEntry& entry : kSources) {
    if (spec.name == entry.name) return entry.make(spec.options, context);
  }
  throw ConfigError("there is no source \"" + spec.name + "\"");
}

}  // namespace

int64_t episodes_per_collect(const AgentSpec& spec) {
  if (spec.source.name == "segments") return bound<SegmentsOptions>(spec.source.options).worlds;
  if (spec.memory.name != "on_policy") return 0;
  return bound<OnPolicyMemoryOptions>(spec.memory.options).episodes;
}

std::unique_ptr<rl::Source> make_source(const AgentSpec& spec, const Context& context) {
  std::unique_ptr<rl::Source> source = make_plain_source(spec.source, context);
  if (!spec.paid.terms.empty()) {
    std::vector<rl::Paid::Weighted> payers;
    for (const RewardSpec::Term& part : spec.paid.terms) {
      payers.push_back({part.weight, make_payer(part.term, context)});
    }
    source = std::make_unique<rl::Paid>(std::move(source), std::move(payers));
  }
  if (auto follower = context.domain.follower(spec.judge)) {
    source = std::make_unique<rl::Followed>(std::move(source), std::move(follower));
  }
  if (is_judged(spec)) {
    source = std::make_unique<rl::Judged>(
        std::move(source), context.domain.judge(spec.judge, make_offer(spec, context.seed)),
        context.threads, context.micro_batch_tokens);
  }
  if (spec.hindsight.terms.empty()) return source;
  return std::make_unique<rl::Hindsight>(std::move(source), context.domain.model("student"),
                                         make_reward(spec.hindsight), prior_readout(spec, context),
                                         context.threads, context.micro_batch_tokens);
}

}  // namespace distill

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/adaptive_mix.h"

namespace distill {
namespace {

std::unique_ptr<rl::Source> make_dataset(const Options& options, const Context& context) {
  static_cast<void>(bound<DatasetOptions>(options));
  return context.domain.dataset();
}

std::unique_ptr<rl::Source> make_rollout(const Options& options, const Context& context) {
  return context.domain.rollout(bound<RolloutOptions>(options));
}

std::unique_ptr<rl::Source> make_segments(const Options& options, const Context& context) {
  return context.domain.segments(bound<SegmentsOptions>(options));
}

// Who writes the responses that are not the student's.
std::unique_ptr<rl::Source> make_first(const std::string& writer, const SamplingOptions& sampling,
                                       const Context& context) {
  if (writer == "dataset") return context.domain.dataset();
  return context.domain.rollout({.actor = writer, .sampling = sampling});
}

std::unique_ptr<rl::Source> make_mix(const Options& options, const Context& context) {
  const auto found = bound<MixOptions>(options);
  return std::make_unique<rl::Mix>(
      make_first(found.first, found.sampling, context),
      context.domain.rollout({.actor = "student", .sampling = found.sampling}),
      [share = found.student_fraction](double progress) { return share.at(progress); },
      found.per == "example", context.seed);
}

std::unique_ptr<rl::Source> make_pairs(const Options& options, const Context& context) {
  const auto found = bound<PairsOptions>(options);
  return std::make_unique<rl::Pairs>(
      make_first(found.first, found.sampling, context),
      context.domain.rollout({.actor = "student", .sampling = found.sampling}));
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
      context.domain.dataset(),
      context.domain.rollout({.actor = "student", .sampling = found.sampling}),
      rl::AdaptiveMixOptions{.share = {.first = found.share,
                                       .step = found.share_step,
                                       .tolerance = found.tolerance,
                                       .against_last = as_in_paper},
                             .fresh = fresh_share(found.schedule),
                             .capacity = found.capacity,
                             .draw_always = as_in_paper},
      context.seed);
}

struct SourceEntry {
  const char* name;
  std::unique_ptr<rl::Source> (*make)(const Options&, const Context&);
};

constexpr SourceEntry kSources[] = {
    {"adaptive_mix", make_adaptive_mix},
    {"dataset", make_dataset},
    {"mix", make_mix},
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
  return spec.source.name == "segments" ? bound<SegmentsOptions>(spec.source.options).worlds : 0;
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
  if (!is_judged(spec)) return source;
  return std::make_unique<rl::Judged>(
      std::move(source), context.domain.judge(spec.judge, make_offer(spec, context.seed)),
      context.threads, context.micro_batch_tokens);
}

}  // namespace distill

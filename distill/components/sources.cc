#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

std::unique_ptr<rl::Source> make_dataset(const Options& options, const Context& context) {
  static_cast<void>(bound<DatasetOptions>(options));
  return context.domain.dataset();
}

std::unique_ptr<rl::Source> make_groups(const Options& options, const Context& context) {
  return context.domain.groups(bound<GroupsOptions>(options));
}

std::unique_ptr<rl::Source> make_rollout(const Options& options, const Context& context) {
  return context.domain.rollout(bound<RolloutOptions>(options));
}

std::unique_ptr<rl::Source> make_segments(const Options& options, const Context& context) {
  return context.domain.segments(bound<SegmentsOptions>(options));
}

std::unique_ptr<rl::Source> make_mix(const Options& options, const Context& context) {
  const auto found = bound<MixOptions>(options);
  return std::make_unique<rl::Mix>(
      context.domain.dataset(),
      context.domain.rollout({.actor = "student", .sampling = found.sampling}),
      [share = found.student_fraction](double progress) { return share.at(progress); },
      found.per == "example", context.seed);
}

struct SourceEntry {
  const char* name;
  std::unique_ptr<rl::Source> (*make)(const Options&, const Context&);
};

constexpr SourceEntry kSources[] = {
    {"dataset", make_dataset}, {"groups", make_groups},     {"mix", make_mix},
    {"rollout", make_rollout}, {"segments", make_segments},
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
  return std::make_unique<rl::Judged>(std::move(source),
                                      context.domain.judge(spec.judge, make_offer(spec)),
                                      context.threads, context.micro_batch_tokens);
}

}  // namespace distill

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "envs/token/dataset_source.h"
#include "envs/token/example_loader.h"
#include "envs/token/token_environment.h"
#include "rl/torch.h"

namespace distill {
namespace {

agents::SamplingOptions sampling_of(const SamplingOptions& options) {
  return {options.temperature, options.top_k, options.top_p, options.min_p};
}

// All sources of an agent see the examples in the same order.
envs::ExampleOf shuffled(const Context& context) {
  auto loader = std::make_shared<envs::ExampleLoader>(
      context.examples, envs::ExampleLoaderOptions{.seed = context.seed});
  return [loader](int64_t episode) { return loader->at(episode); };
}

std::unique_ptr<rl::Source> make_dataset(const Options& options, const Context& context) {
  static_cast<void>(bound<DatasetOptions>(options));
  return std::make_unique<envs::DatasetSource>(shuffled(context));
}

std::unique_ptr<rl::Source> rollout(const agents::Decoder& actor, bool is_student,
                                    const agents::SamplingOptions& sampling,
                                    const Context& context) {
  const envs::ExampleOf example_of = shuffled(context);
  const auto stage = [=] {
    const envs::TokenEnvironmentOptions options{.vocabulary_size = actor->vocabulary_size(),
                                                .end_ids = context.end_ids,
                                                .max_new_tokens = context.max_new_tokens};
    const auto prompt_of = [=](int64_t episode) { return example_of(episode).prompt; };
    return rl::Rollout::Stage{std::make_unique<envs::TokenEnvironment>(options, prompt_of),
                              std::make_unique<agents::LanguageModelActor>(
                                  actor, sampling, context.max_new_tokens, context.seed,
                                  is_student ? "student" : "teacher")};
  };
  // Only text drawn from the student as it is can be compared with what the learner recomputes.
  return std::make_unique<rl::Rollout>(stage, context.threads, is_student && sampling.is_plain());
}

std::unique_ptr<rl::Source> make_rollout(const Options& options, const Context& context) {
  const auto found = bound<RolloutOptions>(options);
  const bool student = found.actor == "student";
  return rollout(student ? context.student : context.teacher, student, sampling_of(found.sampling),
                 context);
}

std::unique_ptr<rl::Source> make_mix(const Options& options, const Context& context) {
  const auto found = bound<MixOptions>(options);
  const Ramp share = found.student_fraction;
  return std::make_unique<rl::Mix>(
      make_dataset({}, context),
      rollout(context.student, true, sampling_of(found.sampling), context),
      [share](double progress) { return share.from + progress * (share.to - share.from); },
      found.per == "example", context.seed);
}

struct SourceEntry {
  const char* name;
  std::unique_ptr<rl::Source> (*make)(const Options&, const Context&);
};

constexpr SourceEntry kSources[] = {
    {"dataset", make_dataset},
    {"mix", make_mix},
    {"rollout", make_rollout},
};

std::unique_ptr<rl::Source> make_plain_source(const ComponentSpec& spec, const Context& context) {
  for (const SourceEntry& entry : kSources) {
    if (spec.name == entry.name) return entry.make(spec.options, context);
  }
  throw ConfigError("there is no source \"" + spec.name + "\"");
}

}  // namespace

std::unique_ptr<rl::Source> make_source(const AgentSpec& spec, const Context& context) {
  std::unique_ptr<rl::Source> source = make_plain_source(spec.source, context);
  if (!is_judged(spec)) return source;
  return std::make_unique<rl::Judged>(
      std::move(source), std::make_shared<agents::LmTeacher>(context.teacher, make_offer(spec)),
      context.threads, context.micro_batch_tokens);
}

}  // namespace distill

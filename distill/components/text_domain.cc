#include "distill/components/text_domain.h"

#include <utility>

#include "agents/lm_teacher.h"
#include "envs/token/example_loader.h"
#include "envs/token/token_environment.h"
#include "rl/torch.h"

namespace distill {

agents::SamplingOptions sampling_of(const SamplingOptions& options) {
  return {options.temperature, options.top_k, options.top_p, options.min_p};
}

TextDomain::TextDomain(TextDomainOptions options) : options_(std::move(options)) {}

// All sources of an agent see the examples in the same order.
envs::ExampleOf TextDomain::shuffled() const {
  auto loader = std::make_shared<envs::ExampleLoader>(
      options_.examples, envs::ExampleLoaderOptions{.seed = options_.seed});
  return [loader](int64_t episode) { return loader->at(episode); };
}

std::shared_ptr<rl::PolicyModel> TextDomain::student() const {
  return std::make_shared<agents::LanguageModel>(options_.student);
}

std::shared_ptr<const rl::Prior> TextDomain::teacher(const agents::OfferOptions& offer) const {
  return std::make_shared<agents::LmTeacher>(options_.teacher, offer);
}

std::shared_ptr<const rl::Readout> TextDomain::teacher_readout(
    const agents::OfferOptions& offer) const {
  if (offer.kind != agents::OfferOptions::Kind::all) return nullptr;
  return agents::LmTeacher(options_.teacher, offer).readout();
}

std::unique_ptr<rl::Source> TextDomain::dataset() const {
  return std::make_unique<envs::DatasetSource>(shuffled());
}

std::unique_ptr<rl::Source> TextDomain::rollout(const RolloutOptions& options) const {
  const bool is_student = options.actor == "student";
  const agents::Decoder actor = is_student ? options_.student : options_.teacher;
  const agents::SamplingOptions sampling = sampling_of(options.sampling);
  const envs::ExampleOf example_of = shuffled();
  const auto stage = [&] {
    const envs::TokenEnvironmentOptions environment{.vocabulary_size = actor->vocabulary_size(),
                                                    .end_ids = options_.end_ids,
                                                    .max_new_tokens = options_.max_new_tokens};
    const auto prompt_of = [=](int64_t episode) {
      return example_of(episode / options.group_size).prompt;
    };
    return rl::Rollout::Stage{
        std::make_unique<envs::TokenEnvironment>(environment, prompt_of),
        std::make_unique<agents::LanguageModelActor>(actor, sampling, options_.max_new_tokens,
                                                     options_.seed, options.actor)};
  };
  return std::make_unique<rl::Rollout>(stage, options_.threads, is_student);
}

std::unique_ptr<rl::Source> TextDomain::segments(const SegmentsOptions&) const {
  throw ConfigError("source segments: an answer is learned from as a whole; use rollout");
}

}  // namespace distill

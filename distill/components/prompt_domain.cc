#include "distill/components/prompt_domain.h"

#include <algorithm>
#include <utility>

#include "agents/lm_teacher.h"
#include "distill/components/components.h"
#include "envs/token/dataset_source.h"
#include "envs/token/token_environment.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace distill {

using rl::Tensor;

namespace {

// Texts read at a time.
constexpr size_t kTextsAtOnce = 64;

// A text that reaches the limit has been paid for as it is: nothing is to come.
class WholeTexts : public rl::Source {
 public:
  explicit WholeTexts(std::unique_ptr<rl::Source> source) : source_(std::move(source)) {}

  rl::Trajectory collect(const Tensor& episodes, double progress) override {
    rl::Trajectory batch = source_->collect(episodes, progress);
    const Tensor last = at_last_step(batch, torch::ones({batch.size()})) != 0;
    batch.discount = batch.discount.masked_fill(last, 0);
    batch.state_mask = batch.mask;
    // Without the column of the state after a cut.
    return batch.select(torch::arange(batch.size(), batch.action.options()));
  }

 private:
  std::unique_ptr<rl::Source> source_;
};

// ln P(label asked for | text) of the classifier.
class IntendedLabel : public rl::Payer {
 public:
  explicit IntendedLabel(PromptDomainOptions options) : options_(std::move(options)) {}

  Tensor pay(const rl::Trajectory& trajectory) const override {
    torch::NoGradGuard no_grad;
    const Tensor said =
        read_texts(*options_.classifier, *options_.tokenizer,
                   written_texts(trajectory, *options_.tokenizer), options_.max_text_tokens)
            .log_probs;
    const Tensor asked = trajectory.episode.to(said.device()).remainder(said.size(1));
    return at_last_step(trajectory, said.gather(1, asked.unsqueeze(1)).squeeze(1));
  }

 private:
  PromptDomainOptions options_;
};

// Written texts in random order, each once in an epoch, behind the prompts of their labels.
envs::ExampleOf shuffled(const PromptDomainOptions& options) {
  struct Order {
    int64_t epoch = -1;
    std::vector<int64_t> items;
  };
  const auto order = std::make_shared<Order>();
  return [=, key = rl::role_key(options.seed, "labelled texts")](int64_t episode) {
    const auto count = static_cast<int64_t>(options.texts.size());
    if (episode / count != order->epoch) {
      order->epoch = episode / count;
      order->items = rl::permutation(count, key, static_cast<uint64_t>(order->epoch));
    }
    const auto item = order->items[static_cast<size_t>(episode % count)];
    return prompted_example(options, options.texts[static_cast<size_t>(item)]);
  };
}

void expect_reference(const ComponentSpec& judge) {
  const bool known =
      judge.name == "reference" && bound<ReferenceJudgeOptions>(judge.options).path.empty();
  if (!known) throw has_no("a soft prompt", "judge", judge);
}

}  // namespace

envs::Example prompted_example(const PromptDomainOptions& options, const envs::LabelledIds& text) {
  envs::Example example{
      .prompt = prompt_of(options, text.label), .response = text.ids, .where = "labelled text"};
  example.response.push_back(options.eos_id);
  const auto most = static_cast<size_t>(options.max_text_tokens);
  example.response.resize(std::min(example.response.size(), most));
  example.ended = example.response.back() == options.eos_id;
  return example;
}

std::vector<int64_t> prompt_of(const PromptDomainOptions& options, int64_t label) {
  std::vector<int64_t> ids = options.student->prompt().ids(options.student->decoder(), label);
  const std::vector<int64_t> begin = options.tokenizer->encode("a", /*add_special=*/true);
  const auto bos = options.tokenizer->bos_id();
  if (bos && !begin.empty() && begin.front() == *bos) ids.push_back(*bos);
  return ids;
}

PromptDomain::PromptDomain(PromptDomainOptions options) : options_(std::move(options)) {}

std::shared_ptr<rl::PolicyModel> PromptDomain::model(const std::string& name) const {
  if (name == "student") return options_.student;
  throw has_no("a soft prompt", "model", name);
}

std::shared_ptr<const rl::Prior> PromptDomain::judge(const ComponentSpec& judge,
                                                     const agents::OfferOptions& offer) const {
  expect_reference(judge);
  return std::make_shared<agents::LmTeacher>(options_.reference, offer);
}

std::shared_ptr<const rl::Readout> PromptDomain::judge_readout(
    const ComponentSpec& judge, const agents::OfferOptions& offer) const {
  expect_reference(judge);
  if (offer.kind != agents::OfferOptions::Kind::all) return nullptr;
  return agents::LmTeacher(options_.reference, offer).readout();
}

std::unique_ptr<rl::Source> PromptDomain::dataset() const {
  return std::make_unique<envs::DatasetSource>(shuffled(options_));
}

std::unique_ptr<rl::Source> PromptDomain::rollout(const RolloutOptions& options) const {
  const agents::Decoder actor = options_.student->decoder();
  const agents::SamplingOptions sampling = sampling_of(options.sampling);
  const auto stage = [&] {
    const envs::TokenEnvironmentOptions environment{.vocabulary_size = actor->vocabulary_size(),
                                                    .end_ids = {options_.eos_id},
                                                    .max_new_tokens = options_.max_new_tokens};
    const auto start = [domain = options_, size = options.group_size](int64_t episode) {
      return prompt_of(domain, (episode / size) % domain.student->prompt().labels);
    };
    return rl::Rollout::Stage{
        std::make_unique<envs::TokenEnvironment>(environment, start),
        std::make_unique<agents::LanguageModelActor>(actor, sampling, options_.max_new_tokens,
                                                     options_.seed, "writer")};
  };
  return std::make_unique<WholeTexts>(
      std::make_unique<rl::Rollout>(stage, options_.threads, sampling.is_plain()));
}

std::unique_ptr<rl::Source> PromptDomain::segments(const SegmentsOptions&) const {
  throw ConfigError("source segments: a text is learned from as a whole; use rollout");
}

std::shared_ptr<const rl::Payer> PromptDomain::payer(const std::string& name) const {
  if (name != "intended_label") return Domain::payer(name);
  return std::make_shared<IntendedLabel>(options_);
}

std::vector<int64_t> read_ids(const envs::Tokenizer& tokenizer, const std::string& text,
                              int64_t most) {
  std::vector<int64_t> ids = tokenizer.encode(text, /*add_special=*/true);
  if (static_cast<int64_t>(ids.size()) > most) ids.resize(static_cast<size_t>(most));
  if (ids.empty()) ids.push_back(tokenizer.eos_id().value_or(0));
  return ids;
}

std::vector<std::string> written_texts(const rl::Trajectory& trajectory,
                                       const envs::Tokenizer& tokenizer) {
  std::vector<std::string> texts;
  for (const std::vector<int64_t>& ids : written_ids(trajectory)) {
    texts.push_back(tokenizer.decode(ids, /*skip_special=*/true));
  }
  return texts;
}

ReadTexts read_texts(const agents::TextClassifier& classifier, const envs::Tokenizer& tokenizer,
                     const std::vector<std::string>& texts, int64_t most) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> log_probs, embeddings;
  for (size_t begin = 0; begin < texts.size(); begin += kTextsAtOnce) {
    std::vector<envs::LabelledIds> part;
    for (size_t i = begin; i < std::min(begin + kTextsAtOnce, texts.size()); ++i) {
      part.push_back({read_ids(tokenizer, texts[i], most), 0});
    }
    embeddings.push_back(classifier.embed(envs::rows_of(part).observation.squeeze(1)));
    log_probs.push_back(classifier.log_probs(embeddings.back()));
  }
  return {torch::cat(log_probs).cpu(), torch::cat(embeddings).cpu()};
}

}  // namespace distill

#include <iostream>

#include "agents/language_model.h"
#include "agents/sampler.h"
#include "distill/commands/command_line.h"
#include "distill/commands/jsonl.h"
#include "distill/commands/model_options.h"
#include "distill/options.h"
#include "distill/stage_inputs.h"
#include "envs/token/token_environment.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::Tensor;

struct GenerateOptions {
  ModelOptions model;
  std::string prompt, input, output;
  agents::SamplingOptions sampling;
  bool greedy = false;
  int64_t max_new_tokens = 128;
  int64_t batch_size = 32;
  int64_t seed = 1;
};

struct Prompt {
  std::string text;
  std::vector<int64_t> ids;
};

struct Answer {
  std::string text;
  int64_t tokens = 0;
  bool ended = false;
};

Prompt to_prompt(const LoadedModel& model, const GenerateOptions& options,
                 const std::string& text) {
  Prompt prompt{text, model.tokenizer->encode(text, /*add_special=*/true)};
  if (prompt.ids.empty()) throw std::runtime_error("the prompt is empty");
  const auto length = static_cast<int64_t>(prompt.ids.size());
  const int64_t context = model.decoder->config().context;
  if (length + options.max_new_tokens > context) {
    throw std::runtime_error("a prompt of " + std::to_string(length) + " tokens and " +
                             std::to_string(options.max_new_tokens) +
                             " new ones do not fit the context of " + std::to_string(context));
  }
  return prompt;
}

// What is drawn for a prompt depends on its number, `first` and up, and not on the others.
std::vector<Answer> answer(const LoadedModel& model, const GenerateOptions& options,
                           const std::vector<Prompt>& prompts, int64_t first) {
  const auto count = static_cast<int64_t>(prompts.size());
  const auto prompt_of = [&](int64_t episode) {
    return prompts[static_cast<size_t>(episode - first)].ids;
  };
  const auto stage = [&] {
    const envs::TokenEnvironmentOptions world{
        .vocabulary_size = model.decoder->vocabulary_size(),
        .end_ids = end_ids(*model.tokenizer, options.model.folder),
        .max_new_tokens = options.max_new_tokens};
    return rl::Rollout::Stage{std::make_unique<envs::TokenEnvironment>(world, prompt_of),
                              std::make_unique<agents::LanguageModelActor>(
                                  model.decoder, options.sampling, options.max_new_tokens,
                                  static_cast<uint64_t>(options.seed), "generate")};
  };
  rl::Rollout rollout(stage, threads_for(count), /*own=*/true);
  const rl::Trajectory played = rollout.collect(torch::arange(first, first + count), 0);
  const Tensor counts = played.step_counts().cpu(), actions = played.action.cpu().contiguous();
  const Tensor discounts = played.discount.cpu();
  std::vector<Answer> answers;
  for (int64_t b = 0; b < count; ++b) {
    const Tensor row = actions[b];
    const auto length = counts[b].item<int64_t>();
    const std::span<const int64_t> ids(row.data_ptr<int64_t>(), static_cast<size_t>(length));
    answers.push_back({model.tokenizer->decode(ids, /*skip_special=*/true), length,
                       discounts[b][length - 1].item<float>() == 0});
  }
  return answers;
}

void answer_file(const LoadedModel& model, const GenerateOptions& options) {
  OutputFile out(options.output);
  std::vector<Prompt> prompts;
  int64_t done = 0;
  const auto flush = [&] {
    if (prompts.empty()) return;
    const std::vector<Answer> answers = answer(model, options, prompts, done);
    for (size_t i = 0; i < prompts.size(); ++i) {
      out.write({{"prompt", prompts[i].text},
                 {"response", answers[i].text},
                 {"tokens", answers[i].tokens},
                 {"ended", answers[i].ended}});
    }
    done += static_cast<int64_t>(prompts.size());
    prompts.clear();
  };
  for_each_line(options.input, [&](const JsonLine& record) {
    prompts.push_back(to_prompt(model, options, record.text("prompt")));
    if (static_cast<int64_t>(prompts.size()) == options.batch_size) flush();
  });
  flush();
  out.finish();
}

void check(const GenerateOptions& options) {
  const std::string command = "decant generate: ";
  if (options.prompt.empty() == options.input.empty()) {
    throw ConfigError(command + "needs either --prompt or --input");
  }
  if (options.input.empty() != options.output.empty()) {
    throw ConfigError(command + "--input and --output go together");
  }
  if (options.max_new_tokens < 1) throw ConfigError(command + "needs max-new-tokens >= 1");
  if (options.batch_size < 1) throw ConfigError(command + "needs batch-size >= 1");
  if (options.seed < 0) throw ConfigError(command + "needs seed >= 0");
  try {
    options.sampling.validate();
  } catch (const std::invalid_argument& error) {
    throw ConfigError(command + error.what());
  }
}

}  // namespace

int generate_command(const Words& words) {
  GenerateOptions options;
  CommandLine line("decant generate --model DIR (--prompt TEXT | --input FILE --output FILE)",
                   "Continues a prompt, or the `prompt` of each line: `response`, `tokens` and "
                   "whether it `ended` by itself.");
  options.model.add_to(line);
  line.option("prompt", value(&options.prompt), "the text to continue");
  line.option("input", value(&options.input), "jsonl with `prompt`");
  line.option("output", value(&options.output),
              "jsonl with `prompt`, `response`, `tokens`, `ended`");
  line.option("max-new-tokens",
              value(&options.max_new_tokens)->default_value(options.max_new_tokens),
              "the longest response");
  line.option("temperature", value(&options.sampling.temperature)->default_value(1.0, "1"),
              "logits are divided by it; 0: the likeliest token");
  line.option("top-k", value(&options.sampling.top_k)->default_value(0),
              "only the k likeliest; 0: all");
  line.option("top-p", value(&options.sampling.top_p)->default_value(1.0, "1"),
              "only the likeliest up to this mass");
  line.option("min-p", value(&options.sampling.min_p)->default_value(0.0, "0"),
              "only those at least this share as likely as the likeliest");
  line.flag("greedy", &options.greedy, "the same as --temperature 0");
  line.option("seed", value(&options.seed)->default_value(options.seed),
              "a line's response depends on it and on the line's number only");
  line.option("batch-size", value(&options.batch_size)->default_value(options.batch_size),
              "prompts continued together");
  if (!line.read(words)) return 0;
  if (options.greedy) options.sampling.temperature = 0;
  check(options);

  const LoadedModel model = load_with_tokenizer(options.model);
  if (!options.input.empty()) {
    answer_file(model, options);
    return 0;
  }
  const std::vector<Prompt> prompts = {to_prompt(model, options, options.prompt)};
  std::cout << answer(model, options, prompts, 0).front().text << '\n';
  return 0;
}

}  // namespace distill

#include "agents/language_model.h"
#include "distill/commands/command_line.h"
#include "distill/commands/jsonl.h"
#include "distill/commands/model_options.h"
#include "envs/token/dataset_source.h"
#include "rl/batching.h"
#include "rl/opinion.h"
#include "rl/parallel.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::Tensor;

// Lines read before they are scored together, and positions worked on at a time per shard.
constexpr size_t kLines = 256;
constexpr int64_t kPartTokens = 4096;

struct Text {
  envs::Example example;  // the first id, and all that are predicted from it
  int64_t bytes = 0;
  double nll = 0;
};

Text to_text(const LoadedModel& model, const std::string& text) {
  Text out;
  const std::vector<int64_t> ids = model.tokenizer->encode(text, /*add_special=*/true);
  const int64_t context = model.decoder->config().context;
  if (static_cast<int64_t>(ids.size()) > context) {
    throw std::runtime_error(std::to_string(ids.size()) + " tokens do not fit the context of " +
                             std::to_string(context));
  }
  out.bytes = static_cast<int64_t>(text.size());
  if (ids.empty()) return out;
  out.example.prompt = {ids.front()};
  out.example.response.assign(ids.begin() + 1, ids.end());
  out.example.ended = true;  // nothing is asked of the state after the last id
  return out;
}

// Sums over the predicted tokens of each text.
void score(const LoadedModel& model, std::vector<Text>& texts) {
  std::vector<envs::Example> examples;
  std::vector<Text*> scored;
  for (Text& text : texts) {
    if (text.example.response.empty()) continue;
    examples.push_back(text.example);
    scored.push_back(&text);
  }
  if (examples.empty()) return;
  const auto count = static_cast<int64_t>(examples.size());
  const rl::Trajectory whole = envs::trajectory_of(examples, torch::arange(count));
  const rl::Threads threads = threads_for(count);
  const auto parts = rl::cut_by_tokens(whole, kPartTokens, threads.shards);
  rl::run_parallel(threads, static_cast<int64_t>(parts.size()), [&](int64_t i) {
    const torch::NoGradGuard no_grad;
    const Tensor& rows = parts[static_cast<size_t>(i)];
    const rl::Trajectory part = whole.select(rows);
    const rl::PolicyOutput output = agents::LanguageModel(model.decoder).evaluate(part);
    const Tensor nats = rl::map_states(output, part, part.mask, [](const rl::Opinion& opinion) {
      return -opinion.action_log_prob();
    });
    const Tensor sums = nats.to(torch::kFloat64).sum(1).cpu();
    for (int64_t r = 0; r < rows.size(0); ++r) {
      scored[static_cast<size_t>(rows[r].item<int64_t>())]->nll = sums[r].item<double>();
    }
  });
}

}  // namespace

int score_command(const Words& words) {
  ModelOptions options;
  std::string input, output;
  CommandLine line(
      "decant score --model DIR --input FILE --output FILE",
      "The negative log-likelihood of the `text` of each line: `nll` (nats, summed over "
      "the predicted tokens),\n`tokens` (how many were predicted: all but the first, "
      "which is BOS where the tokenizer adds one) and\n`bytes` (of the text).");
  options.add_to(line);
  line.option("input", value(&input)->required(), "jsonl with `text`");
  line.option("output", value(&output)->required(), "jsonl with `nll`, `tokens`, `bytes`");
  if (!line.read(words)) return 0;

  const LoadedModel model = load_with_tokenizer(options);
  OutputFile out(output);
  std::vector<Text> texts;
  const auto flush = [&] {
    score(model, texts);
    for (const Text& text : texts) {
      out.write(
          {{"nll", text.nll}, {"tokens", text.example.response.size()}, {"bytes", text.bytes}});
    }
    texts.clear();
  };
  for_each_line(input, [&](const JsonLine& record) {
    texts.push_back(to_text(model, record.text("text")));
    if (texts.size() == kLines) flush();
  });
  flush();
  out.finish();
  return 0;
}

}  // namespace distill

#include "envs/token/examples.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "envs/token/text_file.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

constexpr size_t kMostProblems = 10;

// FNV-1a, then spread over all bits: the same on every machine and in every release.
uint64_t text_hash(std::string_view text, uint64_t hash = 0xCBF29CE484222325) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

bool in_validation(uint64_t hash, double fraction) {
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EB;
  return static_cast<double>((hash ^ (hash >> 31)) >> 11) * 0x1p-53 < fraction;
}

bool wanted(const ExampleOptions& options, uint64_t hash) {
  if (options.part == Part::kAll) return true;
  return in_validation(hash, options.validation_fraction) == (options.part == Part::kValidation);
}

// What the check of one record or document says.
enum class Verdict { kGood, kOtherPart, kMalformed, kEmptyPrompt, kLongPrompt };
struct Checked {
  Verdict verdict = Verdict::kGood;
  std::string problem;
  std::vector<int32_t> ids;  // of a document
};

// Where an example comes from: a line of jsonl (bytes), or a window of a plain text (ids).
struct Item {
  size_t file;
  int64_t line;
  size_t start, length;
  int64_t prompt_length;  // of a window; -1 for jsonl
};

struct File {
  std::string path;
  std::string text;  // dropped once a plain text has become ids
};

void check_options(const ExampleOptions& options, const Tokenizer& tokenizer) {
  const auto positive = [](int64_t value, const char* name) {
    if (value >= 1) return;
    throw std::invalid_argument(std::string(name) + " needs at least 1, found " +
                                std::to_string(value));
  };
  positive(options.prompt_tokens, "prompt_tokens");
  positive(options.response_tokens, "response_tokens");
  positive(options.max_prompt_tokens, "max_prompt_tokens");
  positive(options.max_privileged_tokens, "max_privileged_tokens");
  positive(options.max_response_tokens, "max_response_tokens");
  const double fraction = options.validation_fraction;
  if (!(fraction >= 0 && fraction <= 1)) {
    throw std::invalid_argument("validation_fraction needs 0 <= fraction <= 1, found " +
                                std::to_string(fraction));
  }
  if (!tokenizer.eos_id()) {
    throw std::invalid_argument("the tokenizer names no EOS token, which ends every answer");
  }
}

bool adds_eos(const Tokenizer& tokenizer) {
  const std::vector<int64_t> ids = tokenizer.encode("a", true);
  return !ids.empty() && ids.back() == tokenizer.eos_id();
}

}  // namespace

struct Examples::State {
  ExampleOptions options;
  std::shared_ptr<const Tokenizer> tokenizer;
  bool tokenizer_adds_eos = false;
  std::vector<File> files;
  std::vector<Item> items;
  std::vector<int32_t> ids;  // of all plain texts
  ExampleReport report;

  // --- opening ------------------------------------------------------------------------------------

  void open(const std::string& path) {
    files.push_back({path, read_file(path)});
    path.ends_with(".jsonl") ? open_records() : open_documents();
  }

  void open_records() {
    const std::vector<TextSpan> lines = split_lines(files.back().text);
    const std::vector<Checked> checked =
        check_all(lines, [this](std::string_view line) { return check_record(line); });
    for (size_t i = 0; i < lines.size(); ++i) {
      if (!keep(checked[i], lines[i])) continue;
      items.push_back({files.size() - 1, lines[i].line, lines[i].start, lines[i].length, -1});
    }
  }

  void open_documents() {
    const std::vector<TextSpan> documents = split_documents(files.back().text, options.separator);
    std::vector<Checked> checked =
        check_all(documents, [this](std::string_view text) { return check_document(text); });
    for (size_t i = 0; i < documents.size(); ++i) {
      if (keep(checked[i], documents[i])) add_windows(checked[i].ids, documents[i].line);
    }
    files.back().text = {};
  }

  template <typename Check>
  std::vector<Checked> check_all(const std::vector<TextSpan>& spans, Check check) const {
    const std::string_view text = files.back().text;
    std::vector<Checked> checked(spans.size());
    tbb::parallel_for(size_t{0}, spans.size(), [&](size_t i) {
      try {
        checked[i] = check(text.substr(spans[i].start, spans[i].length));
      } catch (const std::exception& error) {
        checked[i] = {Verdict::kMalformed, error.what(), {}};
      }
    });
    return checked;
  }

  Checked check_record(std::string_view line) const {
    const Record record = parse_record(line, options.keys);
    if (!record.has_response && options.needs_response) {
      throw std::invalid_argument("no key \"" + options.keys.response + "\"");
    }
    if (!wanted(options, text_hash(record.response, text_hash(record.prompt)))) {
      return {Verdict::kOtherPart, {}, {}};
    }
    if (record.prompt.empty()) return {Verdict::kEmptyPrompt, "the prompt is empty", {}};
    if (const auto found = too_long(record.prompt, "the prompt", options.max_prompt_tokens)) {
      return *found;
    }
    if (options.keys.privileged.empty()) return {};
    if (record.privileged.empty()) {
      throw std::invalid_argument("\"" + options.keys.privileged + "\": the text is empty");
    }
    const auto found = too_long(privileged_prompt(record), "the prompt with its privileged text",
                                options.max_privileged_tokens);
    return found ? *found : Checked();
  }

  std::optional<Checked> too_long(const std::string& prompt, const std::string& what,
                                  int64_t limit) const {
    const auto length = length_beyond(prompt, static_cast<size_t>(limit));
    if (!length) return std::nullopt;
    return Checked{
        Verdict::kLongPrompt,
        what + " has " + std::to_string(*length) + " tokens, more than " + std::to_string(limit),
        {}};
  }

  // The template with both texts in their places; what the texts hold is no template.
  std::string privileged_prompt(const Record& record) const {
    const std::pair<std::string_view, std::string_view> texts[] = {
        {"{privileged}", record.privileged}, {"{prompt}", record.prompt}};
    std::string result;
    for (std::string_view rest = options.privileged_template; !rest.empty();) {
      const auto here = std::find_if(std::begin(texts), std::end(texts), [&](const auto& text) {
        return rest.starts_with(text.first);
      });
      result += here == std::end(texts) ? rest.substr(0, 1) : here->second;
      rest.remove_prefix(here == std::end(texts) ? 1 : here->first.size());
    }
    return result;
  }

  Checked check_document(std::string_view text) const {
    if (!options.keys.privileged.empty()) {
      throw std::invalid_argument("a plain text has no \"" + options.keys.privileged +
                                  "\"; records of a jsonl file have");
    }
    expect_utf8(text, "document");
    if (!wanted(options, text_hash(text))) return {Verdict::kOtherPart, {}, {}};
    const std::vector<int64_t> document = with_eos(tokenizer->encode(text, true));
    return {Verdict::kGood, {}, std::vector<int32_t>(document.begin(), document.end())};
  }

  // A token stands for at least one byte: few bytes need no tokenising.
  std::optional<size_t> length_beyond(const std::string& prompt, size_t limit) const {
    constexpr size_t kMostAdded = 8;  // BOS, prefix blanks
    if (prompt.size() + kMostAdded <= limit) return std::nullopt;
    const size_t length = prompt_ids(prompt).size();
    return length > limit ? std::optional<size_t>(length) : std::nullopt;
  }

  // Whether to use what was checked; counts what is left out and fails where that is not wanted.
  bool keep(const Checked& checked, const TextSpan& span) {
    const std::string message =
        files.back().path + ":" + std::to_string(span.line) + ": " + checked.problem;
    switch (checked.verdict) {
      case Verdict::kGood:
        return true;
      case Verdict::kOtherPart:
        return false;
      case Verdict::kMalformed:
        return leave_out(options.on_error == OnError::kSkip, report.malformed, message);
      case Verdict::kEmptyPrompt:
        return leave_out(options.empty_prompt == OnError::kSkip, report.empty_prompts, message);
      case Verdict::kLongPrompt:
        if (options.long_prompt != LongPrompt::kTruncateLeft) {
          return leave_out(options.long_prompt == LongPrompt::kSkip, report.long_prompts, message);
        }
        ++report.truncated_prompts;
        return true;
    }
    return false;
  }

  bool leave_out(bool allowed, int64_t& count, const std::string& message) {
    if (!allowed) throw std::invalid_argument(message);
    ++count;
    if (report.problems.size() < kMostProblems) report.problems.push_back(message);
    return false;
  }

  // Full windows, then the rest: a prompt of full length where that leaves a continuation, else one
  // in proportion, so that short documents count too. A single id is no example.
  void add_windows(const std::vector<int32_t>& document, int64_t line) {
    const auto size = static_cast<int64_t>(document.size());
    const int64_t window = options.prompt_tokens + options.response_tokens;
    for (int64_t start = 0; size - start >= 2; start += window) {
      const int64_t length = std::min(window, size - start);
      const int64_t share = std::max<int64_t>(1, length * options.prompt_tokens / window);
      const int64_t prompt = length > options.prompt_tokens ? options.prompt_tokens : share;
      items.push_back({files.size() - 1, line, ids.size() + static_cast<size_t>(start),
                       static_cast<size_t>(length), prompt});
    }
    ids.insert(ids.end(), document.begin(), document.end());
  }

  // --- reading ------------------------------------------------------------------------------------

  Example example(const Item& item) const {
    const std::string where = files[item.file].path + ":" + std::to_string(item.line);
    try {
      Example result = item.prompt_length < 0 ? record_example(item) : window_example(item);
      result.ended = !result.response.empty() && result.response.back() == tokenizer->eos_id();
      result.where = where;
      return result;
    } catch (const std::exception& error) {
      throw std::runtime_error(where + ": " + error.what());
    }
  }

  Example window_example(const Item& item) const {
    const auto start = ids.begin() + static_cast<std::ptrdiff_t>(item.start);
    const auto middle = start + item.prompt_length;
    const auto end = start + static_cast<std::ptrdiff_t>(item.length);
    return {.prompt = {start, middle}, .response = {middle, end}, .ended = false, .where = {}};
  }

  Example record_example(const Item& item) const {
    const std::string_view text = files[item.file].text;
    const Record record = parse_record(text.substr(item.start, item.length), options.keys);
    Example result;
    result.prompt = end_of(prompt_ids(record.prompt), options.max_prompt_tokens);
    if (!options.keys.privileged.empty()) {
      result.privileged_prompt =
          end_of(prompt_ids(privileged_prompt(record)), options.max_privileged_tokens);
    }
    if (record.has_response) result.response = response_ids(record.response);
    return result;
  }

  // The end of a prompt, which the answer follows.
  static std::vector<int64_t> end_of(std::vector<int64_t> ids, int64_t limit) {
    const auto size = static_cast<int64_t>(ids.size());
    if (size > limit) ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(limit));
    return ids;
  }

  std::vector<int64_t> prompt_ids(const std::string& prompt) const {
    std::vector<int64_t> result = tokenizer->encode(prompt, true);
    if (tokenizer_adds_eos) result.pop_back();
    return result;
  }

  std::vector<int64_t> response_ids(const std::string& response) const {
    std::vector<int64_t> result = with_eos(tokenizer->encode(response, false));
    const auto limit = static_cast<size_t>(options.max_response_tokens);
    if (result.size() > limit) result.resize(limit);
    return result;
  }

  std::vector<int64_t> with_eos(std::vector<int64_t> sequence) const {
    const int64_t eos = *tokenizer->eos_id();
    if (sequence.empty() || sequence.back() != eos) sequence.push_back(eos);
    return sequence;
  }
};

Examples::Examples(ExampleOptions options, std::shared_ptr<const Tokenizer> tokenizer)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  check_options(options, *tokenizer);
  s.options = std::move(options);
  s.tokenizer = std::move(tokenizer);
  s.tokenizer_adds_eos = adds_eos(*s.tokenizer);
  for (const std::string& path : expand_globs(s.options.files)) s.open(path);
  s.report.examples = size();
  if (size() > 0) return;
  throw std::invalid_argument("no examples in " + std::to_string(s.files.size()) + " files" +
                              (s.report.problems.empty() ? "" : "; " + s.report.problems[0]));
}

Examples::~Examples() = default;

int64_t Examples::size() const { return static_cast<int64_t>(state_->items.size()); }

Example Examples::at(int64_t index) const {
  if (index < 0 || index >= size()) {
    throw std::invalid_argument("example " + std::to_string(index) + " of " +
                                std::to_string(size()));
  }
  return state_->example(state_->items[static_cast<size_t>(index)]);
}

const ExampleReport& Examples::report() const { return state_->report; }

bool is_held_out(std::string_view text, double share) {
  return in_validation(text_hash(text), share);
}

std::vector<Example> first_examples(const Examples& examples, int64_t count) {
  count = std::clamp<int64_t>(count, 0, examples.size());
  std::vector<Example> result(static_cast<size_t>(count));
  tbb::parallel_for(int64_t{0}, count,
                    [&](int64_t i) { result[static_cast<size_t>(i)] = examples.at(i); });
  return result;
}

}  // namespace envs

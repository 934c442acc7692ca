#include "distill/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace distill {
namespace {

constexpr const char* kAbsent = "–";

std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  std::array<char, 64> buffer;
  std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  return buffer.data();
}

std::string percent(double value) { return fixed(100 * value, 1) + " %"; }
std::string precise(double value) { return fixed(value, 4); }
std::string whole(double value) { return fixed(value, 0); }
std::string seconds(double value) { return fixed(value, 1) + " s"; }
std::string mebibytes(double value) { return fixed(value / (1 << 20), 0) + " MiB"; }

struct Column {
  const char* heading;
  const char* key;
  const char* meaning;
  std::optional<double> (*value)(const ModelScores&);
  std::string (*format)(double);
};

template <auto Member>
std::optional<double> value(const ModelScores& scores) {
  const auto& found = scores.*Member;
  if (!found) return std::nullopt;
  return static_cast<double>(*found);
}

using S = ModelScores;
constexpr std::array kColumns = {
    Column{"return", "mean_return", "mean over episodes played greedily", value<&S::mean_return>,
           precise},
    Column{"deviation", "return_deviation", "standard deviation of the same",
           value<&S::return_deviation>, precise},
    Column{"accuracy", "accuracy", "share of held-out texts that are given their label",
           value<&S::accuracy>, percent},
    Column{"agreement", "agreement",
           "share of written texts to which the classifier gives the label asked for",
           value<&S::agreement>, percent},
    Column{"self-BLEU", "self_bleu",
           "of written texts against each other: the less, the more diverse", value<&S::self_bleu>,
           precise},
    Column{"distinct-2", "distinct", "share of the written texts' pairs of tokens that differ",
           value<&S::distinct>, percent},
    Column{"nats/token", "nats_per_token", "mean of -log q over the tokens of held-out responses",
           value<&S::nats_per_token>, precise},
    Column{"with memory", "memory_nats",
           "the same where contexts of the training text are looked up", value<&S::memory_nats>,
           precise},
    Column{"bits/byte", "bits_per_byte", "the same in bits, per byte of their text",
           value<&S::bits_per_byte>, precise},
    Column{
        "forward KL", "forward_kl",
        "KL(teacher, model) in nats per token or action, at the states of held-out responses or of "
        "the teacher's episodes",
        value<&S::forward_kl>, precise},
    Column{"reverse KL", "reverse_kl", "KL(model, teacher) at the same states",
           value<&S::reverse_kl>, precise},
    Column{"own reverse KL", "own_reverse_kl",
           "KL(model, teacher) at the states of the model's own continuations or episodes",
           value<&S::own_reverse_kl>, precise},
    Column{"top-1", "top1_agreement",
           "share of states where both find the same token or action likeliest",
           value<&S::top1_agreement>, percent},
    Column{"teacher mass", "teacher_mass",
           "the teacher's probability on what it finds likely: its 50 likeliest tokens, or all "
           "actions",
           value<&S::teacher_mass>, percent},
    Column{"model mass", "student_mass", "the model's probability on the same",
           value<&S::student_mass>, percent},
    Column{"ROUGE-L", "rouge_l", "F-measure of sampled continuations against the written ones",
           value<&S::rouge_l>, precise},
    Column{"tokens/s", "tokens_per_second", "rate of writing, all prompts together",
           value<&S::tokens_per_second>, whole},
    Column{"time", "wall_seconds", "of its training", value<&S::wall_seconds>, seconds},
    Column{"generated", "tokens_generated", "tokens written by actors during its training",
           value<&S::tokens_generated>, whole},
    Column{"peak memory", "peak_memory_bytes", "of the process while it was trained",
           value<&S::peak_memory_bytes>, mebibytes},
};

std::string cell(const Column& column, const ModelScores& scores) {
  const auto found = column.value(scores);
  return found ? column.format(*found) : kAbsent;
}

// The columns that any row has something in.
std::vector<Column> shown_columns(const std::vector<ModelScores>& rows) {
  std::vector<Column> shown;
  for (const Column& column : kColumns) {
    const bool known = std::any_of(rows.begin(), rows.end(), [&](const ModelScores& row) {
      return column.value(row).has_value();
    });
    if (known) shown.push_back(column);
  }
  return shown;
}

// Characters, not bytes: names may be anything.
size_t width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

// A block that no text in it can close.
std::string fenced(const std::string& text) {
  size_t longest = 2, run = 0;
  for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(longest + 1, '`');
  return fence + "text\n" + text + (text.ends_with('\n') ? "" : "\n") + fence + "\n";
}

}  // namespace

std::string to_table(const std::vector<ModelScores>& scores) {
  std::vector<std::vector<std::string>> columns = {{""}};
  for (const ModelScores& row : scores) columns[0].push_back(row.name);
  for (const Column& column : shown_columns(scores)) {
    columns.push_back({column.heading});
    for (const ModelScores& row : scores) columns.back().push_back(cell(column, row));
  }
  std::string out;
  for (size_t row = 0; row <= scores.size(); ++row) {
    std::string line;
    for (size_t c = 0; c < columns.size(); ++c) {
      size_t widest = 0;
      for (const std::string& text : columns[c]) widest = std::max(widest, width(text));
      const std::string padding(widest - width(columns[c][row]), ' ');
      line += c == 0 ? columns[c][row] + padding : "  " + padding + columns[c][row];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string to_markdown(const Report& report) {
  const std::vector<Column> columns = shown_columns(report.scores);
  std::string out = "# " + report.title + "\n\n| model |", rule = "|---|";
  for (const Column& column : columns) {
    out += std::string(" ") + column.heading + " |";
    rule += "---:|";
  }
  out += "\n" + rule + "\n";
  for (const ModelScores& row : report.scores) {
    out += "| " + escaped(row.name) + " |";
    for (const Column& column : columns) out += " " + cell(column, row) + " |";
    out += "\n";
  }
  out += "\n";
  for (const std::string& note : report.notes) out += note + "\n\n";
  for (const Column& column : columns) {
    out += std::string("- **") + column.heading + "**: " + column.meaning + ".\n";
  }
  for (const Picture& picture : report.pictures) {
    out += "\n## " + picture.title + "\n\n![" + picture.title + "](" + picture.file + ")\n";
  }
  if (!report.samples.empty()) out += "\n## Continuations of held-out prompts\n";
  std::string prompt;
  for (const SampleText& sample : report.samples) {
    if (sample.prompt != prompt || &sample == report.samples.data()) {
      prompt = sample.prompt;
      out += "\n### Prompt\n\n" + fenced(sample.prompt) + "\nAs written:\n\n" +
             fenced(sample.reference);
    }
    out += "\n" + sample.model + ":\n\n" + fenced(sample.written);
  }
  return out;
}

std::string to_json(const ModelScores& scores) {
  nlohmann::ordered_json json{{"name", scores.name}};
  for (const Column& column : kColumns) {
    if (const auto found = column.value(scores)) json[column.key] = *found;
  }
  return json.dump();
}

ModelScores scores_from_json(const std::string& text) try {
  const auto json = nlohmann::json::parse(text);
  ModelScores scores;
  scores.name = json.at("name").get<std::string>();
  const auto read = [&](const char* key, auto& out) {
    if (!json.contains(key)) return;
    // What is not finite is written as null.
    out = json[key].is_null() ? std::numeric_limits<double>::quiet_NaN() : json[key].get<double>();
  };
  read("mean_return", scores.mean_return);
  read("return_deviation", scores.return_deviation);
  read("accuracy", scores.accuracy);
  read("agreement", scores.agreement);
  read("self_bleu", scores.self_bleu);
  read("distinct", scores.distinct);
  read("nats_per_token", scores.nats_per_token);
  read("memory_nats", scores.memory_nats);
  read("bits_per_byte", scores.bits_per_byte);
  read("forward_kl", scores.forward_kl);
  read("reverse_kl", scores.reverse_kl);
  read("own_reverse_kl", scores.own_reverse_kl);
  read("top1_agreement", scores.top1_agreement);
  read("teacher_mass", scores.teacher_mass);
  read("student_mass", scores.student_mass);
  read("rouge_l", scores.rouge_l);
  read("tokens_per_second", scores.tokens_per_second);
  read("wall_seconds", scores.wall_seconds);
  if (json.contains("tokens_generated")) {
    scores.tokens_generated = json["tokens_generated"].get<int64_t>();
  }
  if (json.contains("peak_memory_bytes")) {
    scores.peak_memory_bytes = json["peak_memory_bytes"].get<int64_t>();
  }
  return scores;
} catch (const nlohmann::json::exception& error) {
  throw std::runtime_error(std::string("not the scores of a model: ") + error.what());
}

std::optional<int64_t> peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return 1024 * std::stoll(line.substr(6));
  }
  return std::nullopt;
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

}  // namespace distill

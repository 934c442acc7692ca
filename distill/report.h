#pragma once

/// The table a run ends with, on the terminal and in `report.md`.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace distill {

/// What was measured of a model on held-out text; what was not measured is absent.
struct ModelScores {
  std::string name;
  std::optional<double> mean_return;         // of episodes played greedily, in a world
  std::optional<double> return_deviation;    // standard deviation of the same
  std::optional<double> accuracy;            // share of held-out texts given their label
  std::optional<double> agreement;           // share of written texts of the label asked for
  std::optional<double> self_bleu;           // of written texts, mean, in [0, 1]
  std::optional<double> distinct;            // share of their pairs of tokens that differ
  std::optional<double> nats_per_token;      // -log q of written responses
  std::optional<double> memory_nats;         // the same with contexts that are looked up
  std::optional<double> bits_per_byte;       // the same per byte of their text
  std::optional<double> forward_kl;          // teacher to model, at the states of written responses
  std::optional<double> reverse_kl;          // model to teacher, at the same states
  std::optional<double> own_reverse_kl;      // model to teacher, at the states of its own responses
  std::optional<double> top1_agreement;      // share of states with the teacher's likeliest token
  std::optional<double> teacher_mass;        // of the teacher on the action set
  std::optional<double> student_mass;        // of the model on the teacher's action set
  std::optional<double> rouge_l;             // of its own responses against the written, in [0, 1]
  std::optional<double> tokens_per_second;   // written, all prompts together
  std::optional<double> wall_seconds;        // of its training
  std::optional<int64_t> tokens_generated;   // written by student or teacher to be learned from
  std::optional<int64_t> peak_memory_bytes;  // of the process, until then
};

/// What a model wrote after a held-out prompt.
struct SampleText {
  std::string model, prompt, written, reference;
};

/// A picture beside the report.
struct Picture {
  std::string title, file;  // path from the report
};

/// Everything the report says.
struct Report {
  std::string title;
  std::vector<ModelScores> scores;
  std::vector<SampleText> samples;
  std::vector<std::string> notes;  // what a reader should know, a sentence each
  std::vector<Picture> pictures = {};
};

/// The table with aligned columns, for a terminal: a row for each model, a column for each score
/// that any model has.
std::string to_table(const std::vector<ModelScores>& scores);

/// The report as Markdown: the table and what its columns mean, then pictures and samples.
std::string to_markdown(const Report& report);

/// A row as JSON text, and back; absent scores are left out.
///
/// @throws std::runtime_error for text that is no such row.
std::string to_json(const ModelScores& scores);
ModelScores scores_from_json(const std::string& text);

/// The most memory that this process has held since it began or `reset_peak_memory` was called, in
/// bytes; nothing where the system does not say.
std::optional<int64_t> peak_memory_bytes();
void reset_peak_memory();

}  // namespace distill

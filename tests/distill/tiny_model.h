#pragma once

#include <string>

namespace distill {

/// Trains a tokenizer of 300 tokens and writes it, with a Llama of 2 layers, width 16, context 64 and
/// random weights, to a folder.
void make_tiny_model(const std::string& folder, uint64_t seed = 1, int64_t layers = 2);

/// A file with three jsonl records of prompt and response.
void write_records(const std::string& path);

}  // namespace distill

#pragma once

#include <boost/program_options.hpp>
#include <string>

#include "distill/commands/commands.h"

namespace distill {

/// The options of one command, read with Boost.Program_options.
///
///     CommandLine line("decant score", "Negative log-likelihood of texts.");
///     line.option("model", value(&model)->required(), "a Hugging Face folder");
///     if (!line.read(words)) return 0;  // --help
class CommandLine {
 public:
  CommandLine(std::string usage, std::string description);

  void option(const char* name, const boost::program_options::value_semantic* value,
              const char* meaning);
  void flag(const char* name, bool* value, const char* meaning);
  /// Words without dashes go to the option of that name, at most `count` of them (-1: all).
  void positional(const char* name, int count);

  /// Reads the words into the variables; prints help, and gives false, where that is asked for.
  ///
  /// @throws ConfigError "decant score: the option '--model' is required ...; see decant score --help".
  bool read(const Words& words);
  /// Whether the option stood on the command line.
  bool has(const std::string& name) const;

 private:
  void print_help() const;

  std::string command_, usage_, description_;
  boost::program_options::options_description options_;
  boost::program_options::positional_options_description positional_;
  boost::program_options::variables_map values_;
};

using boost::program_options::value;

}  // namespace distill

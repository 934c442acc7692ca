#include "distill/commands/command_line.h"

#include <iostream>
#include <utility>

#include "distill/options.h"

namespace distill {

namespace po = boost::program_options;

CommandLine::CommandLine(std::string usage, std::string description)
    : usage_(std::move(usage)), description_(std::move(description)), options_("options") {
  // The usage's lower-case words are the command: "decant tokenizer train".
  size_t end = 0;
  while (end < usage_.size() &&
         (std::islower(static_cast<unsigned char>(usage_[end])) || usage_[end] == ' ')) {
    ++end;
  }
  command_ = usage_.substr(0, end);
  command_.erase(command_.find_last_not_of(' ') + 1);
  options_.add_options()("help,h", "print this");
}

void CommandLine::option(const char* name, const po::value_semantic* semantic,
                         const char* meaning) {
  options_.add_options()(name, semantic, meaning);
}

void CommandLine::flag(const char* name, bool* value, const char* meaning) {
  options_.add_options()(name, po::bool_switch(value), meaning);
}

void CommandLine::positional(const char* name, int count) { positional_.add(name, count); }

bool CommandLine::read(const Words& words) try {
  // A prefix is no option: what is short today may mean two things tomorrow.
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::store(
      po::command_line_parser(words).options(options_).positional(positional_).style(style).run(),
      values_);
  if (values_.count("help") > 0) {
    print_help();
    return false;
  }
  po::notify(values_);
  return true;
} catch (const po::error& error) {
  throw ConfigError(command_ + ": " + error.what() + "; see " + command_ + " --help");
}

bool CommandLine::has(const std::string& name) const {
  return values_.count(name) > 0 && !values_[name].defaulted();
}

void CommandLine::print_help() const {
  std::cout << description_ << "\n\nusage: " << usage_ << "\n\n" << options_;
}

}  // namespace distill

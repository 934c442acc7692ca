#pragma once

/// The methods there are.

#include <span>
#include <string>
#include <string_view>

#include "distill/options.h"
#include "distill/spec.h"

namespace distill {

struct MethodEntry {
  std::string_view name;
  std::string_view summary;
  std::string_view source;  // who published it
  bool needs_teacher;
  /// @throws ConfigError for unknown keys, wrong types and ranges.
  MethodSpec (*build)(const Options& options);
  /// Whether its stages are kinds of their own, named as they are, rather than one of kind distill.
  bool has_kinds = false;
};

/// By name, in alphabetical order.
std::span<const MethodEntry> methods();

/// @param mark where the name was written.
/// @throws ConfigError 'run.yaml:3:9: unknown method "gdk"; did you mean "gkd"? known: ...'.
const MethodEntry& find_method(std::string_view name, const Mark& mark = {});

/// Every option of a method with its default.
Options defaults_of(const MethodEntry& method);

}  // namespace distill

#pragma once

#include <gmock/gmock.h>

#include <string>

#include "distill/options.h"

namespace distill {

/// Expects a ConfigError with that message, or one that contains it.
template <class Action>
void expect_error(Action action, const std::string& message, bool is_whole = true) {
  try {
    action();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const ConfigError& error) {
    if (is_whole) {
      EXPECT_EQ(error.what(), message);
    } else {
      EXPECT_THAT(error.what(), testing::HasSubstr(message));
    }
  }
}

}  // namespace distill

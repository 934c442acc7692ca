#pragma once

#include <cstdint>
#include <memory>

#include "envs/token/examples.h"

namespace envs {

struct ExampleLoaderOptions {
  int64_t ahead = 64;       // examples tokenised in the background
  int64_t max_threads = 0;  // for that; 0 for as many as there are cores
  uint64_t seed = 0;
};

/// Examples in random order without end, by position. The order of an epoch is a permutation that is
/// a function of (seed, epoch), so what stands at a position does not depend on what was read before,
/// nor on the number of threads; a position is all there is to save. Who asks for one position will
/// ask for the next ones, which are made ready in the background.
///
/// May be used from several threads at once.
class ExampleLoader {
 public:
  /// @throws std::invalid_argument for a read-ahead below 1.
  ExampleLoader(std::shared_ptr<const Examples> examples, ExampleLoaderOptions options);
  ~ExampleLoader();
  ExampleLoader(const ExampleLoader&) = delete;
  ExampleLoader& operator=(const ExampleLoader&) = delete;

  /// The example at a position, counted from 0 over all epochs. Rethrows what went wrong while it was
  /// made.
  ///
  /// @throws std::invalid_argument for a negative position.
  Example at(int64_t position);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace envs

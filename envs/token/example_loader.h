#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "envs/token/examples.h"

namespace envs {

struct ExampleLoaderOptions {
  int64_t batch_size = 8;
  int64_t batches_ahead = 4;  // tokenised in the background
  int64_t max_threads = 0;    // for that; 0 for all cores but one
  uint64_t seed = 0;
};

/// Yields batches of examples without end. The order of an epoch is a random permutation that is a
/// function of (seed, epoch), so a position is all there is to save; batches run across the ends of
/// epochs. The batches do not depend on the number of threads.
///
/// For one thread at a time.
class ExampleLoader {
 public:
  /// @throws std::invalid_argument for a batch size or a read-ahead below 1.
  ExampleLoader(std::shared_ptr<const Examples> examples, ExampleLoaderOptions options);
  ~ExampleLoader();
  ExampleLoader(const ExampleLoader&) = delete;
  ExampleLoader& operator=(const ExampleLoader&) = delete;

  /// The next batch. Rethrows what went wrong while it was made; the position then stays.
  std::vector<Example> next();

  /// How many examples were handed out since position 0.
  int64_t position() const;

  /// Goes to a position; the batches that follow are those that followed it.
  ///
  /// @throws std::invalid_argument for a negative one.
  void seek(int64_t position);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace envs

#pragma once

#include <functional>

#include "envs/token/examples.h"
#include "rl/source.h"

namespace envs {

/// The written example of an episode; the same id gives the same example. May be called from several
/// threads at once.
using ExampleOf = std::function<Example(int64_t episode)>;

/// Written answers as experience: every token of the response is an action taken, in the state of the
/// prompt and the tokens before it.
class DatasetSource : public rl::Source {
 public:
  explicit DatasetSource(ExampleOf example_of);
  rl::Trajectory collect(const rl::Tensor& episodes, double progress) override;

 private:
  ExampleOf example_of_;
};

/// Examples as a batch of trajectories, in order. The response of a prompt of P ids is trained at rows
/// P - 1 .. L - 2 of the sequence. A response that ended closes its episode; one that was cut has one
/// more state after its last token.
///
/// @throws std::invalid_argument naming the example whose prompt or response is empty.
rl::Trajectory trajectory_of(const std::vector<Example>& examples, const rl::Tensor& episodes);

}  // namespace envs

#pragma once

#include <cstdint>
#include <vector>

#include "agents/nets/decoder.h"
#include "rl/parallel.h"
#include "rl/trajectory.h"

namespace agents {

/// How much a parameter matters to a loss: |theta dL/dtheta|, as the parameter.
rl::Tensor saliency(const rl::Tensor& parameter, const rl::Tensor& gradient);

/// Share of the parameters of a layer whose saliency is above the threshold, in [0, 1].
double salient_share(const std::vector<rl::Tensor>& saliencies, double threshold);

/// theta where its saliency is above the threshold, else keep theta + (1 - keep) other.
rl::Tensor repaired(const rl::Tensor& parameter, const rl::Tensor& saliency,
                    const rl::Tensor& other, double threshold, double keep);

/// Parameters of each layer of a decoder, in the order of `Module::parameters`.
std::vector<std::vector<rl::Tensor>> layer_parameters(const Decoder& decoder);

/// Saliencies of `layer_parameters`, for the mean over trained tokens of minus the log-probability of
/// written answers.
std::vector<std::vector<rl::Tensor>> layer_saliencies(const Decoder& decoder,
                                                      const rl::Trajectory& written,
                                                      int64_t micro_batch_tokens,
                                                      const rl::Threads& threads);

}  // namespace agents

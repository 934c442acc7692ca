#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/nets/decoder_config.h"
#include "rl/tensor.h"

namespace agents {

struct LoraOptions {
  int64_t rank = 32;  // of the modules
  double scale = 1;   // s: of what they add
  uint64_t seed = 1;  // of their random half
};

/// Low-rank modules beside the query and value projections of every layer of a decoder:
/// h + s x W_down W_up. W_up begins at 0, so that a decoder with new modules is the decoder without.
///
/// They are no parameters of the decoder they are attached to: its files do not hold them. A decoder
/// reads them from several threads at once, as long as nobody writes.
///
/// Source: Rao et al., arXiv:2409.12512, equation 15; Hu et al. 2021, arXiv:2106.09685.
class Lora {
 public:
  /// @param device of the decoder. The modules are float32 whatever it computes in.
  /// @throws std::invalid_argument if an option is out of range.
  Lora(const DecoderConfig& config, const LoraOptions& options, c10::Device device);

  /// The fused projections of a layer with what its modules add to queries and values.
  ///
  /// @param x [..., D] what is projected. @param projected [..., queries + keys + values].
  rl::Tensor added(size_t layer, const rl::Tensor& x, const rl::Tensor& projected) const;

  /// Leaves the modules of all other layers out, as if they were not there; at first none is.
  void choose(const std::vector<int64_t>& layers);

  /// In a fixed order, by names like "layers.0.query.down".
  std::vector<std::pair<std::string, rl::Tensor>> parameters() const;

  /// The same modules, with tensors of their own.
  std::shared_ptr<Lora> copy() const;

 private:
  struct Module {
    rl::Tensor down;  // float32[rank, D]: W_down transposed
    rl::Tensor up;    // float32[out, rank]: W_up transposed
  };
  struct Layer {
    Module query, value;
    bool used = true;
  };
  rl::Tensor add(const Module& module, const rl::Tensor& x) const;

  double scale_;
  int64_t key_width_;
  std::vector<Layer> layers_;
};

}  // namespace agents

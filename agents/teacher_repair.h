#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "agents/nets/decoder.h"
#include "agents/nets/lora.h"
#include "rl/parallel.h"
#include "rl/source.h"

namespace agents {

struct RepairOptions {
  double threshold = 1e-4;  // of a parameter's saliency, above which it counts
  double below = 0.5;       // share of salient parameters below which a layer is repaired
  double keep = 0.9;        // of what is repaired by averaging: the teacher's own share
  int64_t every = 50;       // collections between two averages
  int64_t micro_batch_tokens = 4096;
  rl::Threads threads = {};
};

/// Repairs the layers of a teacher that matter little on the texts collected; the one that matters least
/// in any case.
///
/// With modules it chooses, once, before anything is learned, the layers whose modules learn; the teacher's
/// weights stay. Without, it averages: every so many collections the parameters of such layers that are
/// not salient move towards those of the student's layer at the same relative depth.
///
/// Source: Cho et al., arXiv:2409.02699, from whose abstract the rule is made (docs/methods.md).
class TeacherRepair : public rl::Follower {
 public:
  /// @param teacher that judges; its parameters are its own where there are no modules.
  /// @param modules the teacher's, or null.
  /// @throws std::invalid_argument naming the layers whose shapes do not agree, without modules.
  TeacherRepair(Decoder teacher, Decoder student, std::shared_ptr<Lora> modules,
                const RepairOptions& options);

  void follow(const rl::Trajectory& collected) override;
  void save(rl::State& state) const override;
  void load(const rl::State& state) override;

  /// Numbers of the layers that are repaired, as last chosen.
  const std::vector<int64_t>& layers() const { return layers_; }

 private:
  void choose(const std::vector<std::vector<rl::Tensor>>& saliencies);
  void average(const std::vector<std::vector<rl::Tensor>>& saliencies);
  size_t layer_of_student(size_t layer) const;

  Decoder teacher_, student_;
  std::shared_ptr<Lora> modules_;
  RepairOptions options_;
  int64_t collections_ = 0;
  std::vector<int64_t> layers_;
};

}  // namespace agents

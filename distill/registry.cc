#include "distill/registry.h"

#include <array>
#include <vector>

#include "distill/methods/methods.h"

namespace distill {
namespace {

constexpr std::array kMethods = {
    MethodEntry{"a2c", "policy gradients of advantages, learned from rewards",
                "Mnih et al. 2016, arXiv:1602.01783", false, a2c},
    MethodEntry{"bellman", "temporal-difference distillation on the teacher's likeliest tokens",
                "Yu, Li & Zhang 2025, arXiv:2505.20335", true, bellman},
    MethodEntry{"dqn", "values of actions learned from rewards, with a replay",
                "Mnih et al. 2015, doi:10.1038/nature14236", false, dqn},
    MethodEntry{"gkd", "divergence to the teacher on written and on the student's own responses",
                "Agarwal et al. 2024, arXiv:2306.13649", true, gkd},
    MethodEntry{"grpo", "policy gradients of episodes compared in groups",
                "Shao et al. 2024, arXiv:2402.03300", false, grpo},
    MethodEntry{"iq_learn", "the values under whose rewards demonstrations are the best behaviour",
                "Garg et al. 2021, arXiv:2106.12142", false, iq_learn},
    MethodEntry{"kd", "divergence to the teacher at every token of written responses",
                "Hinton et al. 2015, arXiv:1503.02531", true, kd},
    MethodEntry{"ppo", "policy gradients of clipped ratios, learned from rewards",
                "Schulman et al. 2017, arXiv:1707.06347", false, ppo},
    MethodEntry{"reinforce", "policy gradients of whole episodes' returns",
                "Williams 1992, doi:10.1007/BF00992696", false, reinforce},
    MethodEntry{"retrieval", "a tiny student finds the like of a text among what a teacher wrote",
                "after Liu et al. 2023, arXiv:2310.15594", true, retrieval, true},
    MethodEntry{"rloo", "policy gradients of episodes compared with the others of their group",
                "Ahmadian et al. 2024, arXiv:2402.14740", false, rloo},
    MethodEntry{"seq_kd", "likelihood of responses that the teacher writes",
                "Kim & Rush 2016, arXiv:1606.07947", true, seq_kd},
    MethodEntry{"sft", "likelihood of written responses, without a teacher",
                "supervised fine-tuning", false, sft},
    MethodEntry{"sqil", "soft Q-learning where demonstrations earn 1 and own steps 0",
                "Reddy et al. 2020, arXiv:1905.11108", false, sqil},
};

}  // namespace

std::span<const MethodEntry> methods() { return kMethods; }

const MethodEntry& find_method(std::string_view name, const Mark& mark) {
  std::vector<std::string> known;
  for (const MethodEntry& entry : kMethods) {
    if (entry.name == name) return entry;
    known.emplace_back(entry.name);
  }
  throw error_at(mark, unknown("method", name, known));
}

Options defaults_of(const MethodEntry& method) {
  Options out, none;
  none.defaults = &out;
  method.build(none);
  return out;
}

}  // namespace distill

#include "distill/registry.h"

#include <array>
#include <vector>

#include "distill/methods/methods.h"

namespace distill {
namespace {

constexpr std::array kMethods = {
    MethodEntry{"a2c", "policy gradients of advantages, learned from rewards",
                "Mnih et al. 2016, arXiv:1602.01783", false, a2c},
    MethodEntry{"ab_kd", "alpha-beta divergence to the teacher, between and beyond the two KLs",
                "Wang et al. 2025, arXiv:2505.04560", true, ab_kd},
    MethodEntry{"akl", "forward and reverse KL to the teacher, weighed by where the two differ",
                "Wu et al. 2024, arXiv:2404.02657", true, akl},
    MethodEntry{"bellman", "temporal-difference distillation on the teacher's likeliest tokens",
                "Yu, Li & Zhang 2025, arXiv:2505.20335", true, bellman},
    MethodEntry{"collaborative", "the student repairs layers of its teacher that matter little",
                "Cho et al., arXiv:2409.02699", true, collaborative},
    MethodEntry{"cross_tokenizer", "distance to a teacher that cuts text into other tokens",
                "Boizard et al. 2024, arXiv:2402.12030", true, cross_tokenizer},
    MethodEntry{"custom", "the parts of a method, each named in the run file",
                "`decant methods NAME --expand`", false, custom},
    MethodEntry{"distillm",
                "skew divergence, on the student's own text where held-out loss asks for it",
                "Ko et al. 2024, arXiv:2402.03898", true, distillm},
    MethodEntry{"distillm2",
                "skew divergences in contrast, on the teacher's and the student's response",
                "Ko et al. 2025, arXiv:2503.07067", true, distillm2},
    MethodEntry{"dqn", "values of actions learned from rewards, with a replay",
                "Mnih et al. 2015, doi:10.1038/nature14236", false, dqn},
    MethodEntry{"endogenous",
                "policy gradients of the reward that the teacher's logits are values of",
                "Li et al. 2025, arXiv:2506.23235", true, endogenous},
    MethodEntry{"f_distill",
                "sequence-level divergences on the teacher's and the student's responses",
                "Wen et al. 2023, arXiv:2307.15190", true, f_distill},
    MethodEntry{"g_opd", "on-policy distillation that goes further than the teacher went",
                "Yang et al. 2026, arXiv:2602.12125", true, g_opd},
    MethodEntry{"gkd", "divergence to the teacher on written and on the student's own responses",
                "Agarwal et al. 2024, arXiv:2306.13649", true, gkd},
    MethodEntry{"grpo", "policy gradients of episodes compared in groups",
                "Shao et al. 2024, arXiv:2402.03300", false, grpo},
    MethodEntry{"imit_kd", "forward KL at states that the student visits more and more often",
                "Lin et al. 2020, arXiv:2009.07253", true, imit_kd},
    MethodEntry{"iq_learn", "the values under whose rewards demonstrations are the best behaviour",
                "Garg et al. 2021, arXiv:2106.12142", false, iq_learn},
    MethodEntry{"kd", "divergence to the teacher at every token of written responses",
                "Hinton et al. 2015, arXiv:1503.02531", true, kd},
    MethodEntry{"llmr",
                "returns of the reward under which the teacher's logits are the best values",
                "Li, Hao & Mou 2024, arXiv:2409.12500", true, llmr},
    MethodEntry{"minillm", "reverse divergence of answers by a policy gradient with an exact part",
                "Gu et al. 2024, arXiv:2306.08543", true, minillm},
    MethodEntry{"mix_kd", "divergence to the teacher at mixtures of two texts' embeddings",
                "Liang et al. 2021, arXiv:2011.00593", true, mix_kd},
    MethodEntry{"on_policy", "policy gradients of the teacher's and the student's log-probability",
                "Thinking Machines Lab 2025, On-Policy Distillation", true, on_policy},
    MethodEntry{"online_teacher", "distillation from a teacher that comes towards the student",
                "Rao et al., arXiv:2409.12512", true, online_teacher},
    MethodEntry{"ppo", "policy gradients of clipped ratios, learned from rewards",
                "Schulman et al. 2017, arXiv:1707.06347", false, ppo},
    MethodEntry{"ranking",
                "a divergence, and the order of the tokens that either side finds likely",
                "Peng & Zhang 2025, arXiv:2409.12545", true, ranking},
    MethodEntry{"reinforce", "policy gradients of whole episodes' returns",
                "Williams 1992, doi:10.1007/BF00992696", false, reinforce},
    MethodEntry{"retrieval", "a tiny student finds the like of a text among what a teacher wrote",
                "after Liu et al. 2023, arXiv:2310.15594", true, retrieval, true},
    MethodEntry{"rloo", "policy gradients of episodes compared with the others of their group",
                "Ahmadian et al. 2024, arXiv:2402.14740", false, rloo},
    MethodEntry{"self_distill", "the student after reading more teaches the student that has not",
                "OPSD, arXiv:2601.18734; SDFT, arXiv:2601.19897", false, self_distill},
    MethodEntry{"seq_kd", "likelihood of responses that the teacher writes",
                "Kim & Rush 2016, arXiv:1606.07947", true, seq_kd},
    MethodEntry{"sft", "likelihood of written responses, without a teacher",
                "supervised fine-tuning", false, sft},
    MethodEntry{"sparse_sampling", "forward KL to a few draws from the teacher at every token",
                "Anshumann et al. 2025, arXiv:2503.16870", true, sparse_sampling},
    MethodEntry{"speculative",
                "divergence on text that the student proposes and the teacher corrects",
                "Xu et al. 2025, arXiv:2410.11325", true, speculative},
    MethodEntry{"sqil", "soft Q-learning where demonstrations earn 1 and own steps 0",
                "Reddy et al. 2020, arXiv:1905.11108", false, sqil},
    MethodEntry{"taid", "a target that moves from the student to the teacher",
                "Shing et al. 2025, arXiv:2501.16937", true, taid},
    MethodEntry{"teacher_ensemble",
                "divergence to a mixture of teachers, weighed by a learned gate",
                "Zhu et al. 2020, arXiv:2011.04106", true, teacher_ensemble},
    MethodEntry{"teacher_selection",
                "divergence to those teachers that a policy has learned to take",
                "Yuan et al. 2021, arXiv:2012.06048", true, teacher_selection},
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

#pragma once

/// One file per method. Each takes the options of the run file's `method` and gives the
/// specification; docs/methods.md has the equations.

#include <string>
#include <vector>

#include "distill/component_options.h"
#include "distill/options.h"
#include "distill/spec.h"

namespace distill {

MethodSpec a2c(const Options& options);
MethodSpec ab_kd(const Options& options);
MethodSpec akl(const Options& options);
MethodSpec bellman(const Options& options);
MethodSpec collaborative(const Options& options);
MethodSpec cross_tokenizer(const Options& options);
MethodSpec custom(const Options& options);
MethodSpec distillm(const Options& options);
MethodSpec distillm2(const Options& options);
MethodSpec dqn(const Options& options);
MethodSpec endogenous(const Options& options);
MethodSpec f_distill(const Options& options);
MethodSpec g_opd(const Options& options);
MethodSpec gkd(const Options& options);
MethodSpec grpo(const Options& options);
MethodSpec imit_kd(const Options& options);
MethodSpec iq_learn(const Options& options);
MethodSpec kd(const Options& options);
MethodSpec llmr(const Options& options);
MethodSpec minillm(const Options& options);
MethodSpec mix_kd(const Options& options);
MethodSpec on_policy(const Options& options);
MethodSpec online_teacher(const Options& options);
MethodSpec ppo(const Options& options);
MethodSpec ranking(const Options& options);
MethodSpec reinforce(const Options& options);
MethodSpec retrieval(const Options& options);
MethodSpec rloo(const Options& options);
MethodSpec self_distill(const Options& options);
MethodSpec seq_kd(const Options& options);
MethodSpec sft(const Options& options);
MethodSpec sparse_sampling(const Options& options);
MethodSpec speculative(const Options& options);
MethodSpec sqil(const Options& options);
MethodSpec taid(const Options& options);
MethodSpec teacher_ensemble(const Options& options);
MethodSpec teacher_selection(const Options& options);

}  // namespace distill

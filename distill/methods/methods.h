#pragma once

/// One file per method. Each takes the options of the run file's `method` and gives the
/// specification; docs/methods.md has the equations.

#include "distill/component_options.h"
#include "distill/options.h"
#include "distill/spec.h"

namespace distill {

MethodSpec a2c(const Options& options);
MethodSpec bellman(const Options& options);
MethodSpec dqn(const Options& options);
MethodSpec gkd(const Options& options);
MethodSpec grpo(const Options& options);
MethodSpec iq_learn(const Options& options);
MethodSpec kd(const Options& options);
MethodSpec ppo(const Options& options);
MethodSpec reinforce(const Options& options);
MethodSpec retrieval(const Options& options);
MethodSpec rloo(const Options& options);
MethodSpec seq_kd(const Options& options);
MethodSpec sft(const Options& options);
MethodSpec sqil(const Options& options);

}  // namespace distill

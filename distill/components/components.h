#pragma once

/// From names to objects: what a method's specification becomes when it is run. Each maker binds the
/// options of its own component (distill/component_options.h); no table knows those of another.

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "distill/components/domain.h"
#include "distill/spec.h"
#include "rl/agent.h"
#include "rl/losses/taid.h"

namespace distill {

/// What components are made from.
struct Context {
  const Domain& domain;
  uint64_t seed = 1;
  rl::Threads threads;
  int64_t micro_batch_tokens = 0;  // positions worked on at a time per shard
  /// Adds up the steps (tokens, for text) that actors take in rollouts; null: nobody asks.
  std::shared_ptr<std::atomic<int64_t>> generated = nullptr;
};

/// What a learner needs beyond its specification.
using LearnerSettings = rl::LearnerOptions;

rl::RewardTerm make_reward_term(const ComponentSpec& spec);
/// The cross-entropy to a target between policy and teacher, at a teacher's share t of it.
rl::Taid::Term make_interpolated_term(const DivergenceOptions& options);
rl::Reward make_reward(const RewardSpec& spec);
std::shared_ptr<const rl::Payer> make_payer(const ComponentSpec& spec, const Context& context);
std::unique_ptr<rl::Loss> make_loss(const ComponentSpec& spec);

/// What is paid for a whole row, at its last step: float32[B, T] from float32[B].
rl::Tensor at_last_step(const rl::Trajectory& trajectory, const rl::Tensor& values);
/// The actions of each row that are to be learned.
std::vector<std::vector<int64_t>> written_ids(const rl::Trajectory& trajectory);

rl::ReplayOptions make_memory(const ComponentSpec& spec);

/// Rows collected at a time; 0: as many as an update takes.
int64_t episodes_per_collect(const AgentSpec& spec);

/// Which tokens the teacher offers, given what the learners make of them: the temperature at which
/// rewards ask for its opinion, and whether the token taken must be on offer.
///
/// @param seed of sets that are drawn.
/// @throws ConfigError where rewards ask for different temperatures.
agents::OfferOptions make_offer(const AgentSpec& spec, uint64_t seed);
/// The same of a judge that one learner alone asks.
agents::OfferOptions make_offer(const AgentSpec& spec, const LearnerSpec& learner, uint64_t seed);

/// Whether anything in the agent asks for a teacher.
bool needs_teacher(const AgentSpec& spec);

/// Whether the teacher gives its opinion of the states visited.
bool is_judged(const AgentSpec& spec);

/// Whether the agent learns from written answers, so that examples must have them.
bool needs_responses(const AgentSpec& spec);

/// Whether the agent's judge reads a privileged text, so that examples must have one.
bool needs_privileged(const AgentSpec& spec);

/// The read-out of the teacher's hidden states that a replayed episode holds; null where the sets are
/// reduced or nobody judges.
std::shared_ptr<const rl::Readout> prior_readout(const AgentSpec& spec, const Context& context);

std::unique_ptr<rl::Source> make_source(const AgentSpec& spec, const Context& context);

/// Source, memory and learners of one stage of a method.
rl::Agent make_agent(const AgentSpec& spec, const Context& context,
                     const LearnerSettings& settings);

}  // namespace distill

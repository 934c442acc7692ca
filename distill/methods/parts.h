#pragma once

/// Parts of methods: options that belong together, and the piece of a specification that they make. What
/// several pages have in common stands here, and what would keep a page from being read at a glance.

#include <string>
#include <vector>

#include "distill/component_options.h"
#include "distill/options.h"
#include "distill/spec.h"

namespace distill {

/// A Kullback-Leibler or Jensen-Shannon divergence, chosen by name.
struct NamedDivergence {
  std::string divergence = "forward_kl";  // or "reverse_kl", "jsd"
  JsdOptions jsd;                         // beta, scale (of jsd); tail and temperatures

  Bindings bindings();
  void check(const Options& options) const;
  ComponentSpec term();
};

/// A divergence imitated at the states of written responses and of the student's own.
struct OnMixture {
  MixOptions mix = {};         // share of the student's own responses, and how they are written
  Value actions = "all";       // the set that the divergence is taken on
  Value memory = "on_policy";  // "replay" learns from a response more than once
  ImitationOptions imitation = {};  // average: over "tokens" or "sequences"

  Bindings bindings();
  void check(const Options& options) const;
  MethodSpec method(const std::string& name, const ComponentSpec& divergence);
};

/// Language modelling: the written token's log-probability and a forward KL to the teacher.
struct LanguageModelling {
  double lm_weight = 1;   // >= 0
  double kd_ratio = 0.5;  // the teacher's share; the rest is the written token's, in [0, 1]

  Bindings bindings();
  void check(const Options& options) const;
  RewardSpec reward() const;
};

/// Rewards of single tokens of the student's own responses, learned by a policy gradient without a baseline.
struct TokenRewards {
  double discount = 0;                // of the rewards that follow, in [0, 1]
  double clip = 0;                    // of the probability ratio, >= 0; 0: the ratio as it is
  OnPolicyMemoryOptions memory = {};  // epochs, episodes
  SamplingOptions sampling = {};      // how the student writes

  Bindings bindings();
  void check(const Options& options) const;
  /// The loss, with what `gradient` says beside.
  ComponentSpec loss(TokenGradientOptions gradient = {.gradient = {.normalize = false}}) const;
  /// @param paid where the responses are collected, beside.
  MethodSpec method(const std::string& name, const RewardSpec& reward, const RewardSpec& paid = {});
};

/// The part of a policy gradient that is exact: minus KL(q, p) of a single step, over all actions.
struct ExactStep {
  double single_step = 1;            // its weight, >= 0
  bool single_step_weighted = true;  // by the probability ratio of the student to who acted

  Bindings bindings();
  void check(const Options& options) const;
  /// Adds it, unless its weight is 0.
  void add_to(std::vector<ObjectiveSpec>& objectives, const std::string& rows) const;
};

/// What a text written for a label is worth.
struct WrittenForLabel {
  double quality = 1;         // weight of ln P(label asked for | text), >= 0
  double diversity = 0.5;     // of minus the text's self-BLEU, >= 0
  double length = 0.5;        // of minus 1 for a length outside a band, >= 0
  double kl = 0.05;           // of the KL to the prompt as it was, >= 0
  LengthOutsideOptions band;  // shortest, longest: tokens of a text
  SelfBleuOptions bleu;       // order: longest sequences that are compared

  Bindings bindings();
  void check(const Options& options);
  RewardSpec paid();

 private:
  Bindings weights();
};

/// Responses of an actor beside written ones, example by example.
///
/// @param written_share of the rows, in [0, 1]; 0: the actor's alone.
ComponentSpec beside_written(double written_share, const ComponentSpec& actor,
                             const SamplingOptions& sampling);

/// What a student and the modules of its teacher learn from each other.
struct OnlineLearning {
  std::string divergence = "forward_kl";  // the student's; or "reverse_kl", "jsd"
  double temperature = 1;                 // tau of both sides of both divergences, > 0
  double alpha = 0.1;               // the student's share of what teaches the modules, in [0, 1]
  double teacher_rate = 1;          // learning rate of the modules, times the run's, > 0
  ImitationOptions imitation = {};  // average: over "tokens" or "sequences"

  Bindings bindings();
  void check(const Options& options) const;
  /// The student's learner, then that of the modules.
  std::vector<LearnerSpec> learners();
};

}  // namespace distill

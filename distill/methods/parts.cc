#include "distill/methods/parts.h"

namespace distill {

Bindings NamedDivergence::bindings() {
  return Bindings{{"divergence", &divergence}} + jsd.bindings();
}

void NamedDivergence::check(const Options& options) const {
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require_choice(divergence == "jsd", "divergence: jsd", options, {"beta", "scale"});
  jsd.check(options);
}

ComponentSpec NamedDivergence::term() {
  if (divergence == "jsd") return generalized_jsd(jsd);
  return {divergence, options_of(jsd.divergence.bindings())};
}

Bindings OnMixture::bindings() {
  return mix.bindings() + Bindings{{"actions", &actions}, {"memory", &memory}} +
         imitation.bindings();
}

void OnMixture::check(const Options& options) const {
  mix.check(options);
  imitation.check(options);
}

MethodSpec OnMixture::method(const std::string& name, const ComponentSpec& divergence) {
  const AgentSpec agent{
      .source = {"mix", options_of(mix.bindings())},
      .actions = component(actions),
      .memory = component(memory),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())},
                                    {{{divergence, -1}}}}}}},
  };
  return {.stages = {{name, agent}}};
}

Bindings LanguageModelling::bindings() {
  return {{"lm_weight", &lm_weight}, {"kd_ratio", &kd_ratio}};
}

void LanguageModelling::check(const Options& options) const {
  require(lm_weight >= 0, options, "lm_weight >= 0");
  require(kd_ratio >= 0 && kd_ratio <= 1, options, "0 <= kd_ratio <= 1");
  require_choice(lm_weight > 0, "lm_weight > 0", options, {"kd_ratio"});
}

RewardSpec LanguageModelling::reward() const {
  return {{{"log_likelihood", 1 - kd_ratio}, {"forward_kl", -kd_ratio}}};
}

Bindings TokenRewards::bindings() {
  return Bindings{{"discount", &discount}, {"clip", &clip}} + memory.bindings() +
         sampling.bindings();
}

void TokenRewards::check(const Options& options) const {
  require(discount >= 0 && discount <= 1, options, "0 <= discount <= 1");
  require(clip >= 0, options, "clip >= 0");
  memory.check(options);
  sampling.check(options);
}

ComponentSpec TokenRewards::loss(TokenGradientOptions gradient) const {
  gradient.gradient.gamma = discount;
  gradient.gradient.baseline = "none";
  gradient.gradient.clip = clip;
  gradient.ratio = clip == 0;
  return {"policy_gradient", options_of(gradient.bindings())};
}

MethodSpec TokenRewards::method(const std::string& name, const RewardSpec& reward,
                                const RewardSpec& paid) {
  const AgentSpec agent{
      .source = beside_written(0, "student", sampling),
      .paid = paid,
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{loss(), reward}}}},
  };
  return {.stages = {{name, agent}}};
}

Bindings ExactStep::bindings() {
  return {{"single_step", &single_step}, {"single_step_weighted", &single_step_weighted}};
}

void ExactStep::check(const Options& options) const {
  require(single_step >= 0, options, "single_step >= 0");
  require_choice(single_step > 0, "single_step > 0", options, {"single_step_weighted"});
}

void ExactStep::add_to(std::vector<ObjectiveSpec>& objectives, const std::string& rows) const {
  if (single_step == 0) return;
  WeighedImitationOptions exact{.importance = single_step_weighted};
  objectives.push_back(
      {{"imitation", options_of(exact.bindings())}, {{{"reverse_kl", -1}}}, single_step, rows});
}

Bindings WrittenForLabel::bindings() { return weights() + band.bindings() + bleu.bindings(); }

Bindings WrittenForLabel::weights() {
  return {{"quality", &quality}, {"diversity", &diversity}, {"length", &length}, {"kl", &kl}};
}

void WrittenForLabel::check(const Options& options) {
  require_weights(options, weights());
  band.check(options);
  bleu.check(options);
}

RewardSpec WrittenForLabel::paid() {
  return {{{"intended_label", quality},
           {{"self_bleu", options_of(bleu.bindings())}, -diversity},
           {{"length_outside", options_of(band.bindings())}, -length},
           {{"log_ratio", {{"judge", "reference"}}}, -kl}}};
}

ComponentSpec beside_written(double written_share, const ComponentSpec& actor,
                             const SamplingOptions& sampling) {
  RolloutOptions rollout{.actor = to_options(actor), .sampling = sampling};
  if (written_share == 0) return {"rollout", options_of(rollout.bindings())};
  MixOptions mix{.student_fraction = {1 - written_share, 1 - written_share},
                 .per = "example",
                 .sampling = sampling,
                 .actor = to_options(actor)};
  return {"mix", options_of(mix.bindings())};
}

Bindings OnlineLearning::bindings() {
  return Bindings{{"divergence", &divergence},
                  {"temperature", &temperature},
                  {"alpha", &alpha},
                  {"teacher_rate", &teacher_rate}} +
         imitation.bindings();
}

void OnlineLearning::check(const Options& options) const {
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require(temperature > 0, options, "temperature > 0");
  require(alpha >= 0 && alpha <= 1, options, "0 <= alpha <= 1");
  require(teacher_rate > 0, options, "teacher_rate > 0");
  imitation.check(options);
}

std::vector<LearnerSpec> OnlineLearning::learners() {
  DivergenceOptions at{
      .teacher_temperature = temperature, .student_temperature = temperature, .scale_by_t2 = true};
  const Options tempered = options_of(at.bindings());
  const ComponentSpec loss("imitation", options_of(imitation.bindings()));
  const RewardSpec follow{{{{divergence, tempered}, -1}}};
  RewardSpec pull;
  if (alpha > 0) pull.terms.push_back({{"forward_kl", tempered}, -alpha});
  if (alpha < 1) pull.terms.push_back({"log_likelihood", 1 - alpha});
  return {{.trains = "student", .objectives = {{loss, follow}}},
          {.trains = "teacher_modules",
           .objectives = {{loss, pull}},
           .judge = alpha > 0 ? "student" : "none",
           .rate = teacher_rate}};
}

}  // namespace distill

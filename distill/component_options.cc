#include "distill/component_options.h"

#include <span>

namespace distill {
namespace {

struct Entry {
  const char* name;
  void (*check)(const Options&);
};

template <class T>
void check(const Options& options) {
  static_cast<void>(bound<T>(options));
}

constexpr Entry kSources[] = {{"dataset", check<DatasetOptions>},
                              {"groups", check<GroupsOptions>},
                              {"mix", check<MixOptions>},
                              {"rollout", check<RolloutOptions>},
                              {"segments", check<SegmentsOptions>}};
constexpr Entry kJudges[] = {{"reference", check<ReferenceJudgeOptions>},
                             {"student", check<StudentJudgeOptions>},
                             {"teacher", check<TeacherJudgeOptions>}};
constexpr Entry kPayers[] = {{"intended_label", check<IntendedLabelOptions>},
                             {"length_outside", check<LengthOutsideOptions>},
                             {"log_likelihood_of", check<LogLikelihoodOfOptions>},
                             {"log_ratio", check<LogRatioOptions>},
                             {"self_bleu", check<SelfBleuOptions>}};
constexpr Entry kActions[] = {{"all", check<AllActionsOptions>},
                              {"top_k", check<TopKOptions>},
                              {"top_p", check<TopPOptions>}};
constexpr Entry kMemories[] = {{"on_policy", check<OnPolicyOptions>},
                               {"replay", check<ReplayOptions>}};
constexpr Entry kTargets[] = {{"average", check<AverageTargetOptions>},
                              {"copy", check<CopyTargetOptions>},
                              {"none", check<NoTargetOptions>}};
constexpr Entry kRewards[] = {{"forward_kl", check<DivergenceOptions>},
                              {"jsd", check<JsdOptions>},
                              {"log_likelihood", check<LogLikelihoodOptions>},
                              {"reverse_kl", check<DivergenceOptions>}};
constexpr Entry kLosses[] = {{"imitation", check<ImitationOptions>},
                             {"policy_gradient", check<PolicyGradientOptions>},
                             {"relation", check<RelationOptions>},
                             {"soft_td", check<SoftTdOptions>},
                             {"td", check<TdOptions>}};

void check_in(std::span<const Entry> table, const std::string& what, const ComponentSpec& spec) {
  std::vector<std::string> known;
  for (const Entry& entry : table) {
    if (spec.name == entry.name) return entry.check(spec.options);
    known.push_back(entry.name);
  }
  throw error_at(spec.options.mark, unknown(what, spec.name, known));
}

void require_tail(const std::string& tail, const Options& options) {
  require_one_of(tail, {"lump", "drop", "support"}, options, "tail");
}

}  // namespace

Bindings SamplingOptions::bindings() {
  return {{"temperature", &temperature}, {"top_k", &top_k}, {"top_p", &top_p}, {"min_p", &min_p}};
}

void SamplingOptions::check(const Options& options) const {
  require(temperature >= 0, options, "temperature >= 0");
  require(top_k >= 0, options, "top_k >= 0");
  require(top_p > 0 && top_p <= 1, options, "0 < top_p <= 1");
  require(min_p >= 0 && min_p < 1, options, "0 <= min_p < 1");
}

Bindings RolloutOptions::bindings() {
  return Bindings{{"actor", &actor}, {"group_size", &group_size}} + sampling.bindings();
}

void RolloutOptions::check(const Options& options) const {
  require_one_of(actor, {"student", "teacher"}, options, "actor");
  require(group_size >= 1, options, "group_size >= 1");
  sampling.check(options);
}

Bindings LogLikelihoodOfOptions::bindings() { return {{"judge", &judge}}; }

void LogLikelihoodOfOptions::check(const Options&) const {
  check_in(kJudges, "judge", component(judge));
}

Bindings GroupsOptions::bindings() { return {{"size", &size}}; }

void GroupsOptions::check(const Options& options) const {
  require(size >= 1, options, "size >= 1");
}

Bindings LengthOutsideOptions::bindings() {
  return {{"shortest", &shortest}, {"longest", &longest}};
}

void LengthOutsideOptions::check(const Options& options) const {
  require(shortest >= 1, options, "shortest >= 1");
  require(longest >= shortest, options, "longest >= shortest");
}

Bindings LogRatioOptions::bindings() { return {{"judge", &judge}}; }

void LogRatioOptions::check(const Options&) const { check_in(kJudges, "judge", component(judge)); }

Bindings SelfBleuOptions::bindings() { return {{"order", &order}}; }

void SelfBleuOptions::check(const Options& options) const {
  require(order >= 1, options, "order >= 1");
}

Bindings RelationOptions::bindings() {
  return {{"teacher_temperature", &teacher_temperature},
          {"student_temperature", &student_temperature}};
}

void RelationOptions::check(const Options& options) const {
  require(teacher_temperature > 0, options, "teacher_temperature > 0");
  require(student_temperature > 0, options, "student_temperature > 0");
}

Bindings MixOptions::bindings() {
  return Bindings{{"student_fraction", &student_fraction}, {"per", &per}} + sampling.bindings();
}

void MixOptions::check(const Options& options) const {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  require(share(student_fraction.from) && share(student_fraction.to), options,
          "0 <= student_fraction <= 1");
  require_one_of(per, {"batch", "example"}, options, "per");
  sampling.check(options);
}

Bindings SegmentsOptions::bindings() {
  return {{"worlds", &worlds},
          {"steps", &steps},
          {"explore", &explore},
          {"epsilon", &epsilon},
          {"explore_share", &explore_share}};
}

void SegmentsOptions::check(const Options& options) const {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  require(worlds >= 1, options, "worlds >= 1");
  require(steps >= 1, options, "steps >= 1");
  require_one_of(explore, {"sample", "epsilon"}, options, "explore");
  require(share(epsilon.from) && share(epsilon.to), options, "0 <= epsilon <= 1");
  require(explore_share > 0 && explore_share <= 1, options, "0 < explore_share <= 1");
}

Bindings OnPolicyOptions::bindings() { return {{"epochs", &epochs}}; }

void OnPolicyOptions::check(const Options& options) const {
  require(epochs >= 1, options, "epochs >= 1");
}

Bindings TopKOptions::bindings() { return {{"k", &k}}; }

void TopKOptions::check(const Options& options) const { require(k >= 1, options, "k >= 1"); }

Bindings TopPOptions::bindings() { return {{"p", &p}, {"max_actions", &max_actions}}; }

void TopPOptions::check(const Options& options) const {
  require(p > 0 && p <= 1, options, "0 < p <= 1");
  require(max_actions >= 1, options, "max_actions >= 1");
}

Bindings ReplayOptions::bindings() {
  return {{"capacity", &capacity},       {"megabytes", &megabytes}, {"warm_up", &warm_up},
          {"prioritized", &prioritized}, {"alpha", &alpha},         {"beta", &beta}};
}

void ReplayOptions::check(const Options& options) const {
  require(capacity >= 1, options, "capacity >= 1");
  require(megabytes >= 0, options, "megabytes >= 0");
  require(warm_up >= 0 && warm_up <= capacity, options, "0 <= warm_up <= capacity");
  require(alpha >= 0, options, "alpha >= 0");
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  require(share(beta.from) && share(beta.to), options, "0 <= beta <= 1");
}

Bindings DivergenceOptions::bindings() {
  return {{"tail", &tail},
          {"teacher_temperature", &teacher_temperature},
          {"student_temperature", &student_temperature},
          {"scale_by_t2", &scale_by_t2}};
}

void DivergenceOptions::check(const Options& options) const {
  require_tail(tail, options);
  require(teacher_temperature > 0, options, "teacher_temperature > 0");
  require(student_temperature > 0, options, "student_temperature > 0");
}

Bindings JsdOptions::bindings() {
  return Bindings{{"beta", &beta}, {"scale", &scale}} + divergence.bindings();
}

void JsdOptions::check(const Options& options) const {
  require(beta > 0 && beta < 1, options, "0 < beta < 1");
  divergence.check(options);
}

Bindings ImitationOptions::bindings() { return {{"average", &average}}; }

void ImitationOptions::check(const Options& options) const {
  require_one_of(average, {"tokens", "sequences"}, options, "average");
}

Bindings SoftTdOptions::bindings() {
  return {{"gamma", &gamma},
          {"alpha", &alpha},
          {"chi2", &chi2},
          {"gauge", &gauge},
          {"q_min", &q_min},
          {"tail", &tail},
          {"out_of_set", &out_of_set},
          {"entropy", &entropy},
          {"demonstrated_share", &demonstrated_share},
          {"chi2_on_own", &chi2_on_own}};
}

void SoftTdOptions::check(const Options& options) const {
  require(gamma >= 0 && gamma <= 1, options, "0 <= gamma <= 1");
  require(alpha > 0, options, "alpha > 0");
  require_one_of(gauge, {"max_shift", "log_softmax", "raw"}, options, "gauge");
  require(q_min < 0, options, "q_min < 0");
  require_tail(tail, options);
  require_one_of(out_of_set, {"include", "exclude", "tail"}, options, "out_of_set");
  require(out_of_set != "tail" || tail == "lump", options, "tail: lump where out_of_set is tail");
  require(entropy > 0, options, "entropy > 0");
  require(demonstrated_share > 0 && demonstrated_share <= 1, options,
          "0 < demonstrated_share <= 1");
  require(!chi2_on_own || demonstrated_share < 1, options,
          "demonstrated_share < 1 where chi2_on_own is true");
}

Bindings CopyTargetOptions::bindings() { return {{"every", &every}}; }

void CopyTargetOptions::check(const Options& options) const {
  require(every >= 1, options, "every >= 1");
}

Bindings AverageTargetOptions::bindings() { return {{"share", &share}}; }

void AverageTargetOptions::check(const Options& options) const {
  require(share > 0 && share <= 1, options, "0 < share <= 1");
}

Bindings TdOptions::bindings() {
  return {{"gamma", &gamma},
          {"entropy", &entropy},
          {"double_q", &double_q},
          {"huber_delta", &huber_delta},
          {"random_share", &random_share},
          {"n_steps", &n_steps},
          {"lambda", &lambda},
          {"bootstrap", &bootstrap},
          {"sqil", &sqil},
          {"demonstrated_share", &demonstrated_share}};
}

void TdOptions::check(const Options& options) const {
  require(gamma >= 0 && gamma <= 1, options, "0 <= gamma <= 1");
  require(entropy >= 0, options, "entropy >= 0");
  require(!double_q || entropy == 0, options, "entropy: 0 where double_q is true");
  require(huber_delta >= 0, options, "huber_delta >= 0");
  require(random_share >= 0 && random_share <= 1, options, "0 <= random_share <= 1");
  require(random_share == 0 || entropy == 0, options, "entropy: 0 where random_share is not");
  require(n_steps >= 1, options, "n_steps >= 1");
  require(!lambda || (*lambda >= 0 && *lambda <= 1), options, "0 <= lambda <= 1");
  require_one_of(bootstrap, {"target", "detached", "live"}, options, "bootstrap");
  require(!double_q || bootstrap == "target", options, "bootstrap: target where double_q is true");
  require(bootstrap != "live" || (n_steps == 1 && !lambda), options,
          "one step where bootstrap is live");
  require(!sqil || entropy > 0, options, "entropy > 0 where sqil is true");
  require(demonstrated_share > 0 && demonstrated_share < 1, options, "0 < demonstrated_share < 1");
}

Bindings PolicyGradientOptions::bindings() {
  return {{"gamma", &gamma},
          {"lambda", &lambda},
          {"baseline", &baseline},
          {"group_size", &group_size},
          {"clip", &clip},
          {"importance_clip", &importance_clip},
          {"value_clip", &value_clip},
          {"value_coefficient", &value_coefficient},
          {"entropy_coefficient", &entropy_coefficient},
          {"normalize", &normalize},
          {"max_kl", &max_kl}};
}

void PolicyGradientOptions::check(const Options& options) const {
  require(gamma >= 0 && gamma <= 1, options, "0 <= gamma <= 1");
  require(lambda >= 0 && lambda <= 1, options, "0 <= lambda <= 1");
  require_one_of(baseline, {"none", "batch", "group", "leave_one_out", "value"}, options,
                 "baseline");
  require(group_size >= 1, options, "group_size >= 1");
  require((baseline != "group" && baseline != "leave_one_out") || group_size >= 2, options,
          "group_size >= 2 for that baseline");
  require(clip >= 0, options, "clip >= 0");
  require(importance_clip >= 0, options, "importance_clip >= 0");
  require(clip == 0 || importance_clip == 0, options, "one of clip and importance_clip");
  require(value_clip >= 0, options, "value_clip >= 0");
  require(value_coefficient >= 0, options, "value_coefficient >= 0");
  require(entropy_coefficient >= 0, options, "entropy_coefficient >= 0");
  require(max_kl >= 0, options, "max_kl >= 0");
}

ComponentSpec generalized_jsd(JsdOptions options) {
  if (options.beta == 0) return {"forward_kl", options_of(options.divergence.bindings())};
  if (options.beta == 1) return {"reverse_kl", options_of(options.divergence.bindings())};
  return {"jsd", options_of(options.bindings())};
}

void check_components(const MethodSpec& method) {
  for (const StageSpec& stage : method.stages) {
    check_in(kSources, "source", stage.agent.source);
    check_in(kJudges, "judge", stage.agent.judge);
    check_in(kActions, "action set", stage.agent.actions);
    for (const RewardSpec::Term& term : stage.agent.paid.terms) {
      check_in(kPayers, "payer", term.term);
    }
    check_in(kMemories, "memory", stage.agent.memory);
    for (const LearnerSpec& learner : stage.agent.learners) {
      check_in(kTargets, "target", learner.target);
      if (learner.judge.name != "none") check_in(kJudges, "judge", learner.judge);
      for (const ObjectiveSpec& objective : learner.objectives) {
        require_one_of(objective.rows, {"all", "first", "second"}, {}, "rows");
        check_in(kLosses, "loss", objective.loss);
        for (const RewardSpec::Term& term : objective.reward.terms) {
          check_in(kRewards, "reward", term.term);
        }
      }
    }
  }
}

}  // namespace distill

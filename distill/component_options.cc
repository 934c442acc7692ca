#include "distill/component_options.h"

#include <cmath>
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

// A reward term, which may ask for the teacher's opinion.
struct RewardEntry : Entry {
  std::optional<double> (*teacher_temperature)(const Options&);
};

std::optional<double> asks_for_none(const Options&) { return std::nullopt; }

double temperature_of(const DivergenceOptions& options) { return options.teacher_temperature; }
double temperature_of(const RankingOptions&) { return 1; }
double temperature_of(const MseLogitsOptions&) { return 1; }
double temperature_of(const OverlappingOptions& options) {
  return *teacher_temperature(component(options.divergence));
}

template <class T>
double temperature_of(const T& options) {
  return temperature_of(options.divergence);
}

template <class T>
constexpr RewardEntry divergence(const char* name) {
  return {{name, check<T>},
          [](const Options& options) { return std::optional(temperature_of(bound<T>(options))); }};
}

// A loss, which may ask something of its agent.
struct LossEntry : Entry {
  LossFacts (*facts)(const Options&);
};

LossFacts facts(const WeighedImitationOptions& options) {
  return {.average = options.imitation.average};
}

LossFacts facts(const ContrastOptions& options) {
  return {.average = options.average, .includes_taken = options.curriculum};
}

LossFacts facts(const TaidOptions& options) {
  return {.average = options.average,
          .teacher_temperature = options.divergence.teacher_temperature};
}

LossFacts facts(const SoftTdOptions& options) {
  return {.includes_taken = options.out_of_set == "include"};
}

LossFacts facts(const AlignedOptions& options) { return {.average = options.average}; }

// A choice is made for a whole row.
LossFacts facts(const SubsetGradientOptions&) { return {.average = "sequences"}; }

LossFacts facts(const MixtureLikelihoodOptions&) { return {}; }
LossFacts facts(const PairLikelihoodOptions&) { return {}; }
// It looks at the similarities that the teacher finds, not at its opinion of the actions.
LossFacts facts(const RelationOptions&) { return {.teacher_temperature = 1}; }

LossFacts facts(const TokenGradientOptions&) { return {}; }
LossFacts facts(const TdOptions&) { return {}; }

template <class T>
constexpr LossEntry loss(const char* name) {
  return {{name, check<T>}, [](const Options& options) { return facts(bound<T>(options)); }};
}

constexpr Entry kSources[] = {{"adaptive_mix", check<AdaptiveMixOptions>},
                              {"dataset", check<DatasetOptions>},
                              {"groups", check<GroupsOptions>},
                              {"mix", check<MixOptions>},
                              {"mixed_pairs", check<MixedPairsOptions>},
                              {"pairs", check<PairsOptions>},
                              {"rollout", check<RolloutOptions>},
                              {"segments", check<SegmentsOptions>}};
constexpr Entry kActors[] = {{"mixture", check<MixtureActorOptions>},
                             {"speculative", check<SpeculativeActorOptions>},
                             {"student", check<PlainActorOptions>},
                             {"teacher", check<PlainActorOptions>}};
constexpr Entry kJudges[] = {{"adapted_teacher", check<AdaptedTeacherOptions>},
                             {"foreign_teacher", check<ForeignTeacherJudgeOptions>},
                             {"reference", check<ReferenceJudgeOptions>},
                             {"repaired_teacher", check<RepairedTeacherOptions>},
                             {"self", check<SelfJudgeOptions>},
                             {"student", check<StudentJudgeOptions>},
                             {"teacher", check<TeacherJudgeOptions>},
                             {"teachers", check<TeachersJudgeOptions>}};
constexpr Entry kPayers[] = {{"intended_label", check<IntendedLabelOptions>},
                             {"inverse_bellman", check<InverseBellmanOptions>},
                             {"length_outside", check<LengthOutsideOptions>},
                             {"log_likelihood_of", check<LogLikelihoodOfOptions>},
                             {"log_ratio", check<LogRatioOptions>},
                             {"self_bleu", check<SelfBleuOptions>}};
constexpr Entry kActions[] = {{"all", check<AllActionsOptions>},
                              {"sampled", check<SampledOptions>},
                              {"top_k", check<TopKOptions>},
                              {"top_p", check<TopPOptions>}};
constexpr Entry kMemories[] = {{"on_policy", check<OnPolicyMemoryOptions>},
                               {"replay", check<ReplayOptions>}};
constexpr Entry kTargets[] = {{"average", check<AverageTargetOptions>},
                              {"copy", check<CopyTargetOptions>},
                              {"none", check<NoTargetOptions>}};
constexpr RewardEntry kRewards[] = {
    divergence<AklOptions>("akl"),
    divergence<AlphaBetaOptions>("alpha_beta"),
    divergence<DivergenceOptions>("cross_entropy"),
    divergence<DivergenceOptions>("forward_kl"),
    divergence<JsdOptions>("jsd"),
    {{"log_likelihood", check<LogLikelihoodOptions>}, asks_for_none},
    {{"log_prior", check<LogPriorOptions>}, [](const Options&) { return std::optional(1.0); }},
    divergence<MseLogitsOptions>("mse_logits"),
    divergence<OverlappingOptions>("overlapping"),
    divergence<RankingOptions>("ranking"),
    divergence<DivergenceOptions>("reverse_kl"),
    divergence<SkewKlOptions>("skew_kl"),
    divergence<SkewReverseKlOptions>("skew_reverse_kl"),
    divergence<DivergenceOptions>("total_variation")};
constexpr LossEntry kLosses[] = {loss<AlignedOptions>("aligned"),
                                 loss<ContrastOptions>("contrast"),
                                 loss<WeighedImitationOptions>("imitation"),
                                 loss<MixtureLikelihoodOptions>("mixture_likelihood"),
                                 loss<PairLikelihoodOptions>("pair_likelihood"),
                                 loss<TokenGradientOptions>("policy_gradient"),
                                 loss<RelationOptions>("relation"),
                                 loss<SoftTdOptions>("soft_td"),
                                 loss<SubsetGradientOptions>("subset_gradient"),
                                 loss<TaidOptions>("taid"),
                                 loss<TdOptions>("td")};

template <class E>
const E& find_in(std::span<const E> table, const std::string& what, const ComponentSpec& spec) {
  std::vector<std::string> known;
  for (const E& entry : table) {
    if (spec.name == entry.name) return entry;
    known.push_back(entry.name);
  }
  throw error_at(spec.options.mark, unknown(what, spec.name, known));
}

void check_in(std::span<const Entry> table, const std::string& what, const ComponentSpec& spec) {
  find_in(table, what, spec).check(spec.options);
}

const LossEntry& find_loss(const ComponentSpec& spec) {
  return find_in(std::span<const LossEntry>(kLosses), "loss", spec);
}

const RewardEntry& find_reward(const ComponentSpec& term) {
  return find_in(std::span<const RewardEntry>(kRewards), "reward", term);
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
  check_in(kActors, "actor", component(actor));
  require(group_size >= 1, options, "group_size >= 1");
  sampling.check(options);
}

Bindings MixtureActorOptions::bindings() { return {{"teacher_share", &teacher_share}}; }

void MixtureActorOptions::check(const Options& options) const {
  require(teacher_share >= 0 && teacher_share <= 1, options, "0 <= teacher_share <= 1");
}

Bindings SpeculativeActorOptions::bindings() {
  return {{"k", &k},
          {"decay_tokens", &decay_tokens},
          {"draft_tokens", &draft_tokens},
          {"replace_temperature", &replace.temperature},
          {"replace_top_k", &replace.top_k},
          {"replace_top_p", &replace.top_p},
          {"replace_min_p", &replace.min_p}};
}

void SpeculativeActorOptions::check(const Options& options) const {
  require(k >= 1, options, "k >= 1");
  require(decay_tokens >= 0, options, "decay_tokens >= 0");
  require(draft_tokens >= 1, options, "draft_tokens >= 1");
  require(replace.temperature >= 0, options, "replace_temperature >= 0");
  require(replace.top_k >= 0, options, "replace_top_k >= 0");
  require(replace.top_p > 0 && replace.top_p <= 1, options, "0 < replace_top_p <= 1");
  require(replace.min_p >= 0 && replace.min_p < 1, options, "0 <= replace_min_p < 1");
}

Bindings AdaptedTeacherOptions::bindings() { return {{"rank", &rank}, {"scale", &scale}}; }

void AdaptedTeacherOptions::check(const Options& options) const {
  require(rank >= 1, options, "rank >= 1");
  require(scale > 0, options, "scale > 0");
}

Bindings RepairedTeacherOptions::bindings() {
  return Bindings{{"update", &update},
                  {"alternate_every", &alternate_every},
                  {"saliency_threshold", &saliency_threshold},
                  {"repair_below", &repair_below},
                  {"keep", &keep}} +
         modules.bindings();
}

void RepairedTeacherOptions::check(const Options& options) const {
  require_one_of(update, {"modules", "average"}, options, "update");
  require(alternate_every >= 1, options, "alternate_every >= 1");
  require(saliency_threshold >= 0, options, "saliency_threshold >= 0");
  require(repair_below >= 0 && repair_below <= 1, options, "0 <= repair_below <= 1");
  require(keep >= 0 && keep < 1, options, "0 <= keep < 1");
  modules.check(options);
}

Bindings SelfJudgeOptions::bindings() {
  return {{"teacher", &teacher}, {"average_share", &average_share}};
}

void SelfJudgeOptions::check(const Options& options) const {
  require_one_of(teacher, {"frozen", "average", "live"}, options, "teacher");
  require(teacher == "average" || !options.has("average_share") ||
              average_share == SelfJudgeOptions().average_share,
          options, "teacher: average where average_share is set");
  require(average_share > 0 && average_share <= 1, options, "0 < average_share <= 1");
}

Bindings TeachersJudgeOptions::bindings() {
  return {{"weights", &weights}, {"per", &per}, {"hidden", &hidden}, {"warm_up", &warm_up}};
}

void TeachersJudgeOptions::check(const Options& options) const {
  require_one_of(weights, {"even", "gate", "selector"}, options, "weights");
  require_one_of(per, {"token", "example"}, options, "per");
  require(hidden >= 0, options, "hidden >= 0");
  require(warm_up >= 0, options, "warm_up >= 0");
}

Bindings ForeignTeacherJudgeOptions::bindings() {
  return {{"align", &align}, {"merge", &merge}, {"teacher_temperature", &teacher_temperature}};
}

void ForeignTeacherJudgeOptions::check(const Options& options) const {
  require_one_of(align, {"bytes", "positions"}, options, "align");
  require_one_of(merge, {"bayesian", "observed"}, options, "merge");
  require(teacher_temperature > 0, options, "teacher_temperature > 0");
}

Bindings AlignedOptions::bindings() {
  return {{"distance", &distance},
          {"beta", &beta},
          {"matched_weight", &matched_weight},
          {"student_temperature", &student_temperature},
          {"average", &average}};
}

void AlignedOptions::check(const Options& options) const {
  require_one_of(distance, {"hybrid", "sorted"}, options, "distance");
  require(beta > 0 && beta < 1, options, "0 < beta < 1");
  require(!matched_weight || (*matched_weight >= 0 && *matched_weight <= 1), options,
          "0 <= matched_weight <= 1");
  require(student_temperature > 0, options, "student_temperature > 0");
  require_one_of(average, {"tokens", "sequences"}, options, "average");
}

Bindings SubsetGradientOptions::bindings() {
  return {{"own_share", &own_share}, {"baseline_decay", &baseline_decay}, {"warm_up", &warm_up}};
}

void SubsetGradientOptions::check(const Options& options) const {
  require(own_share >= 0 && own_share <= 1, options, "0 <= own_share <= 1");
  require(baseline_decay >= 0 && baseline_decay < 1, options, "0 <= baseline_decay < 1");
  require(warm_up >= 0, options, "warm_up >= 0");
}

Bindings LogLikelihoodOfOptions::bindings() { return {{"judge", &judge}}; }

void LogLikelihoodOfOptions::check(const Options&) const {
  check_in(kJudges, "judge", component(judge));
}

Bindings InverseBellmanOptions::bindings() {
  return {{"judge", &judge}, {"value", &value}, {"entropy", &entropy},
          {"gauge", &gauge}, {"gamma", &gamma}, {"steps", &steps}};
}

void InverseBellmanOptions::check(const Options& options) const {
  check_in(kJudges, "judge", component(judge));
  require_one_of(value, {"hard", "expectation", "soft"}, options, "value");
  require(entropy > 0, options, "entropy > 0");
  require_one_of(gauge, {"raw", "centered", "log_softmax"}, options, "gauge");
  require(gamma >= 0 && gamma <= 1, options, "0 <= gamma <= 1");
  require(steps >= 1, options, "steps >= 1");
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
  return Bindings{{"student_fraction", &student_fraction},
                  {"per", &per},
                  {"first", &first},
                  {"actor", &actor}} +
         sampling.bindings();
}

void MixOptions::check(const Options& options) const {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  require(share(student_fraction.from) && share(student_fraction.to), options,
          "0 <= student_fraction <= 1");
  require_one_of(per, {"batch", "example"}, options, "per");
  require_one_of(first, {"dataset", "teacher"}, options, "first");
  check_in(kActors, "actor", component(actor));
  sampling.check(options);
}

Bindings PairsOptions::bindings() { return Bindings{{"first", &first}} + sampling.bindings(); }

void PairsOptions::check(const Options& options) const {
  require_one_of(first, {"dataset", "teacher"}, options, "first");
  sampling.check(options);
}

Bindings AdaptiveMixOptions::bindings() {
  return Bindings{{"share", &share},       {"share_step", &share_step}, {"tolerance", &tolerance},
                  {"schedule", &schedule}, {"capacity", &capacity},     {"variant", &variant}} +
         sampling.bindings();
}

void AdaptiveMixOptions::check(const Options& options) const {
  require(share >= 0 && share <= 1, options, "0 <= share <= 1");
  require(share_step > 0, options, "share_step > 0");
  require(tolerance >= 0, options, "tolerance >= 0");
  require_one_of(schedule, {"decreasing", "constant", "increasing"}, options, "schedule");
  require(capacity >= 1, options, "capacity >= 1");
  require_one_of(variant, {"code", "paper"}, options, "variant");
  sampling.check(options);
}

Bindings MixedPairsOptions::bindings() {
  return {{"mixed_share", &mixed_share}, {"beta_shape", &beta_shape}};
}

void MixedPairsOptions::check(const Options& options) const {
  require(mixed_share >= 0 && mixed_share <= 1, options, "0 <= mixed_share <= 1");
  require(beta_shape > 0, options, "beta_shape > 0");
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

Bindings OnPolicyMemoryOptions::bindings() {
  return memory.bindings() + Bindings{{"episodes", &episodes}};
}

void OnPolicyMemoryOptions::check(const Options& options) const {
  memory.check(options);
  require(episodes >= 0, options, "episodes >= 0");
}

Bindings TopKOptions::bindings() { return {{"k", &k}}; }

void TopKOptions::check(const Options& options) const { require(k >= 1, options, "k >= 1"); }

Bindings TopPOptions::bindings() { return {{"p", &p}, {"max_actions", &max_actions}}; }

void TopPOptions::check(const Options& options) const {
  require(p > 0 && p <= 1, options, "0 < p <= 1");
  require(max_actions >= 1, options, "max_actions >= 1");
}

Bindings SampledOptions::bindings() { return {{"draws", &draws}}; }

void SampledOptions::check(const Options& options) const {
  require(draws >= 1, options, "draws >= 1");
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

Bindings SkewKlOptions::bindings() { return Bindings{{"alpha", &alpha}} + divergence.bindings(); }

void SkewKlOptions::check(const Options& options) const {
  require(alpha >= 0 && alpha < 1, options, "0 <= alpha < 1");
  divergence.check(options);
}

Bindings SkewReverseKlOptions::bindings() {
  return Bindings{{"alpha", &alpha}, {"detach_mixture", &detach_mixture}} + divergence.bindings();
}

void SkewReverseKlOptions::check(const Options& options) const {
  require(alpha >= 0 && alpha < 1, options, "0 <= alpha < 1");
  divergence.check(options);
}

Bindings AlphaBetaOptions::bindings() {
  return Bindings{{"alpha", &alpha}, {"beta", &beta}} + divergence.bindings();
}

void AlphaBetaOptions::check(const Options& options) const {
  require(std::isfinite(alpha), options, "a finite alpha");
  require(std::isfinite(beta), options, "a finite beta");
  divergence.check(options);
}

Bindings AklOptions::bindings() { return Bindings{{"mu", &mu}} + divergence.bindings(); }

void AklOptions::check(const Options& options) const {
  require(mu >= 0 && mu <= 1, options, "0 <= mu <= 1");
  divergence.check(options);
}

Bindings RankingOptions::bindings() { return {{"k", &k}}; }

void RankingOptions::check(const Options& options) const { require(k >= 1, options, "k >= 1"); }

Bindings OverlappingOptions::bindings() { return {{"k", &k}, {"divergence", &divergence}}; }

void OverlappingOptions::check(const Options& options) const {
  require(k >= 1, options, "k >= 1");
  const ComponentSpec term = component(divergence);
  find_reward(term).check(term.options);
  require(teacher_temperature(term).has_value(), options, "a divergence to the teacher");
}

Bindings ContrastOptions::bindings() {
  return {{"average", &average},       {"writer", &writer},
          {"factor", &factor},         {"factor_share", &factor_share},
          {"curriculum", &curriculum}, {"largest_skew", &largest_skew}};
}

void ContrastOptions::check(const Options& options) const {
  require_one_of(average, {"tokens", "sequences"}, options, "average");
  require_one_of(writer, {"teacher", "student"}, options, "writer");
  require(factor.from >= 0 && factor.to >= 0, options, "factor >= 0");
  require(factor_share > 0 && factor_share <= 1, options, "0 < factor_share <= 1");
  require(largest_skew >= 0.01 && largest_skew < 1, options, "0.01 <= largest_skew < 1");
}

Bindings TaidOptions::bindings() {
  return Bindings{{"t_start", &t_start},
                  {"t_end", &t_end},
                  {"alpha", &alpha},
                  {"momentum", &momentum},
                  {"average", &average}} +
         divergence.bindings();
}

void TaidOptions::check(const Options& options) const {
  require(t_start >= 0 && t_start <= t_end && t_end <= 1, options, "0 <= t_start <= t_end <= 1");
  require(alpha >= 0, options, "alpha >= 0");
  require(momentum >= 0 && momentum < 1, options, "0 <= momentum < 1");
  require_one_of(average, {"tokens", "sequences"}, options, "average");
  divergence.check(options);
}

Bindings ImitationOptions::bindings() { return {{"average", &average}}; }

void ImitationOptions::check(const Options& options) const {
  require_one_of(average, {"tokens", "sequences"}, options, "average");
}

Bindings WeighedImitationOptions::bindings() {
  return imitation.bindings() + Bindings{{"importance", &importance}};
}

void WeighedImitationOptions::check(const Options& options) const { imitation.check(options); }

Bindings SoftTdOptions::bindings() {
  return {{"gamma", &gamma},
          {"alpha", &alpha},
          {"chi2", &chi2},
          {"gauge", &gauge},
          {"q_min", &q_min},
          {"tail", &tail},
          {"out_of_set", &out_of_set},
          {"entropy", &entropy},
          {"own_steps", &own_steps},
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
  require(!chi2_on_own || own_steps, options, "own_steps: true where chi2_on_own is true");
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
          {"sqil", &sqil}};
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
  require(gamma > 0 || baseline == "none" || baseline == "value", options,
          "gamma > 0 for a baseline of whole episodes");
  require(clip >= 0, options, "clip >= 0");
  require(importance_clip >= 0, options, "importance_clip >= 0");
  require(clip == 0 || importance_clip == 0, options, "one of clip and importance_clip");
  require(value_clip >= 0, options, "value_clip >= 0");
  require(value_coefficient >= 0, options, "value_coefficient >= 0");
  require(entropy_coefficient >= 0, options, "entropy_coefficient >= 0");
  require(max_kl >= 0, options, "max_kl >= 0");
}

Bindings TokenGradientOptions::bindings() {
  return gradient.bindings() + Bindings{{"ratio", &ratio},
                                        {"include_current", &include_current},
                                        {"length_normalized", &length_normalized},
                                        {"reward_clip", &reward_clip},
                                        {"advantage_clip", &advantage_clip},
                                        {"normalize_padding", &normalize_padding}};
}

void TokenGradientOptions::check(const Options& options) const {
  gradient.check(options);
  require(!ratio || (gradient.clip == 0 && gradient.importance_clip == 0), options,
          "clip: 0 and importance_clip: 0 where ratio is true");
  require((include_current && !length_normalized) || gradient.baseline == "none", options,
          "baseline: none where include_current is false or length_normalized is true");
  require(reward_clip >= 0, options, "reward_clip >= 0");
  require(advantage_clip >= 0, options, "advantage_clip >= 0");
  require(!normalize_padding || gradient.normalize, options,
          "normalize: true where normalize_padding is true");
}

ComponentSpec generalized_jsd(JsdOptions options) {
  if (options.beta == 0) return {"forward_kl", options_of(options.divergence.bindings())};
  if (options.beta == 1) return {"reverse_kl", options_of(options.divergence.bindings())};
  return {"jsd", options_of(options.bindings())};
}

std::optional<double> teacher_temperature(const ComponentSpec& reward_term) {
  return find_reward(reward_term).teacher_temperature(reward_term.options);
}

LossFacts facts_of(const ComponentSpec& loss) { return find_loss(loss).facts(loss.options); }

void check_training(const MethodSpec& method, const TrainingFacts& training, const Mark& mark) {
  for (const StageSpec& stage : method.stages) {
    const ComponentSpec& source = stage.agent.source;
    if (source.name == "pairs" && training.batch_size % 2 != 0) {
      throw error_at(mark, stage.name +
                               ": both responses to a prompt stand in one batch; needs an "
                               "even train.batch_size, found " +
                               std::to_string(training.batch_size));
    }
    if (source.name == "rollout") {
      const int64_t group = bound<RolloutOptions>(source.options).group_size;
      const Options& memory = stage.agent.memory.options;
      const int64_t kept =
          stage.agent.memory.name == "replay" ? 0 : bound<OnPolicyMemoryOptions>(memory).episodes;
      const int64_t collected = kept > 0 ? kept : training.batch_size;
      if (collected % group != 0) {
        throw error_at(mark, stage.name + ": groups of " + std::to_string(group) +
                                 " episodes are compared, so a multiple of them is collected at a "
                                 "time; " +
                                 (kept > 0 ? "episodes" : "train.batch_size") + " is " +
                                 std::to_string(collected));
      }
    }
    if (source.name != "adaptive_mix") continue;
    const std::string adapts = stage.name +
                               ": its share of the student's own responses follows the "
                               "held-out loss; needs ";
    if (training.evaluate_every == 0) {
      throw error_at(mark, adapts + "train.evaluate_every >= 1, found 0");
    }
    const int64_t kept = bound<AdaptiveMixOptions>(source.options).capacity;
    if (kept < training.batch_size) {
      throw error_at(mark, stage.name + ": needs capacity >= train.batch_size, found " +
                               std::to_string(kept) + " and " +
                               std::to_string(training.batch_size));
    }
  }
}

namespace {

// The share of the draws estimates probabilities without bias, so only what is linear in the teacher's
// keeps its gradient: the forward KL, renormalised nowhere.
void check_sampled(const AgentSpec& agent) {
  if (agent.actions.name != "sampled") return;
  for (const LearnerSpec& learner : agent.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      require_one_of(objective.loss.name, {"imitation"}, {}, "loss on a sampled set");
      for (const RewardSpec::Term& part : objective.reward.terms) {
        if (!teacher_temperature(part.term)) continue;
        const bool linear = part.term.name == "forward_kl" &&
                            bound<DivergenceOptions>(part.term.options).tail == "lump";
        if (linear) continue;
        throw error_at(
            agent.actions.options.mark,
            "actions: a sampled set needs forward_kl with tail: lump, found " + part.term.name);
      }
    }
  }
}

}  // namespace

bool takes_teachers(const AgentSpec& agent) { return agent.judge.name == "teachers"; }

bool has_foreign_teacher(const AgentSpec& agent) { return agent.judge.name == "foreign_teacher"; }

bool watches_held_out(const AgentSpec& agent) {
  if (agent.patience > 0) return true;
  for (const LearnerSpec& learner : agent.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      if (objective.loss.name != "subset_gradient") continue;
      if (bound<SubsetGradientOptions>(objective.loss.options).own_share < 1) return true;
    }
  }
  return false;
}

void check_components(const MethodSpec& method) {
  for (const StageSpec& stage : method.stages) {
    check_sampled(stage.agent);
    check_in(kSources, "source", stage.agent.source);
    check_in(kJudges, "judge", stage.agent.judge);
    check_in(kActions, "action set", stage.agent.actions);
    for (const RewardSpec::Term& term : stage.agent.paid.terms) {
      check_in(kPayers, "payer", term.term);
    }
    for (const RewardSpec::Term& term : stage.agent.hindsight.terms) {
      find_reward(term.term).check(term.term.options);
    }
    check_in(kMemories, "memory", stage.agent.memory);
    for (const LearnerSpec& learner : stage.agent.learners) {
      check_in(kTargets, "target", learner.target);
      if (learner.judge.name != "none") check_in(kJudges, "judge", learner.judge);
      for (const ObjectiveSpec& objective : learner.objectives) {
        require_one_of(objective.rows, {"all", "first", "second"}, objective.loss.options, "rows");
        find_loss(objective.loss).check(objective.loss.options);
        for (const RewardSpec::Term& term : objective.reward.terms) {
          find_reward(term.term).check(term.term.options);
        }
      }
    }
  }
}

}  // namespace distill

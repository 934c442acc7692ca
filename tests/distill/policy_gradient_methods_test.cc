// Methods that learn from rewards of every token, through the losses and rewards of their specifications.

#include <gmock/gmock.h>

#include <cmath>

#include "distill/components/components.h"
#include "distill/yaml.h"
#include "rl/torch.h"
#include "tests/distill/expect_error.h"
#include "tests/distill/table_learning.h"
#include "tests/support/golden.h"

namespace distill {
namespace {

using rl::Tensor;
using rl::Trajectory;
using rl::toy::make_rows;
using testing_support::golden_cases;
using testing_support::GoldenCase;

Tensor taken(const Tensor& logits, const Tensor& ids) {
  return logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1);
}

// Logits of a policy that finds each token as likely as it is said to be.
Tensor logits_of(const Tensor& log_prob, const Tensor& ids, int64_t vocabulary) {
  const Tensor o = log_prob.to(torch::kFloat64).clamp_max(-1e-30);
  const Tensor logit = o - (-torch::expm1(o)).log() + std::log(vocabulary - 1);
  std::vector<int64_t> shape = ids.sizes().vec();
  shape.push_back(vocabulary);
  return torch::zeros(shape, torch::kFloat64)
      .scatter(-1, ids.unsqueeze(-1), logit.unsqueeze(-1))
      .to(torch::kFloat32);
}

// Rows whose sets hold every action, with the teacher's prior.
Trajectory judged(const Tensor& ids, const Tensor& mask, const Tensor& discount,
                  const Tensor& teacher_logits) {
  Trajectory t = make_rows(ids, mask, discount, teacher_logits.size(-1));
  t.actions.prior_log_probs = teacher_logits.log_softmax(-1);
  return t;
}

// A golden batch as the student of then collected it.
Trajectory collected(const GoldenCase& golden) {
  const Tensor mask = golden.input("mask");
  Trajectory t = judged(golden.input("tokens"), mask, torch::ones(mask.sizes()),
                        golden.input("teacher_logits"));
  t.behavior_log_prob = golden.input("old_log_probs");
  return t;
}

// What a loss noted down, with the name that the learner keeps it under.
std::pair<std::string, Tensor> note_of(const Trajectory& t, const std::string& name) {
  for (const auto& [key, note] : t.notes) {
    if (key.ends_with("/" + name)) return {key, note};
  }
  throw std::invalid_argument("no note " + name);
}

Tensor noted(const Trajectory& t, const std::string& name) { return note_of(t, name).second; }

std::vector<GoldenCase> float32_cases(const std::string& objective) {
  std::vector<GoldenCase> cases;
  for (const GoldenCase& golden : golden_cases(objective)) {
    if (golden.input("teacher_logits").scalar_type() == torch::kFloat32) cases.push_back(golden);
  }
  return cases;
}

Tensor metric(const rl::Metrics& metrics, const std::string& name) {
  return torch::tensor(metrics.at(name), torch::kFloat64);
}

// Logits of scale 30 times advantages of scale 100: a log-sum-exp in float32 leaves an error relative to the
// largest gradient, not to each.
void expect_gradient(const GoldenCase& golden, const Tensor& found) {
  if (golden.name() != "extreme") return golden.expect("grad_student_logits", found);
  const Tensor expected = golden.input("grad_student_logits");
  EXPECT_LE((found - expected).abs().max().item<double>(),
            1e-5 * expected.abs().max().item<double>());
}

// A golden case through a method's learner: prepared by the student of then, learned by that of now.
void check(const GoldenCase& golden, const LearnerSpec& spec, const Trajectory& t) {
  const Tensor now = golden.input("student_logits");
  const Tensor then = logits_of(golden.input("old_log_probs"), t.action, now.size(-1));
  for (const int64_t micro_batch_tokens : {100000, 7}) {
    Learning learning(spec, then, micro_batch_tokens);
    Trajectory prepared = learning.learner->prepare(t);
    golden.expect("advantages", noted(prepared, "advantage"));
    // The student of then is known to float32 only; what follows is not to suffer from that.
    const std::string name = note_of(prepared, "advantage").first;
    prepared = prepared.with_note(name, golden.input("advantages"));
    learning.set(now);
    expect_gradient(golden, learning.learn(prepared));
    golden.expect("loss", metric(learning.metrics, "policy/loss/policy_gradient"));
  }
}

TEST(OnPolicy, ReproducesTheGoldenCases) {
  for (const GoldenCase& golden : float32_cases("on_policy_distillation")) {
    const MethodSpec method =
        build("on_policy", "discount: " + std::to_string(golden.number("discount", 0)) +
                               "\ncoefficient: " + std::to_string(golden.number("coefficient", 1)) +
                               "\nclip: " + std::to_string(golden.number("clip", 0)));
    check(golden, agent_of(method).learners.at(0), collected(golden));
  }
}

TEST(GOpd, ReproducesTheGoldenCases) {
  for (const GoldenCase& golden : float32_cases("g_opd")) {
    const double lambda = golden.number("lambda", 1);
    const MethodSpec method = build("g_opd", "lambda: " + std::to_string(lambda) + "\nclip: " +
                                                 std::to_string(golden.number("clip", 0)));
    Trajectory t = collected(golden);
    // What its payer pays.
    const AgentSpec& agent = agent_of(method);
    if (!agent.paid.terms.empty()) {
      t.reward = agent.paid.terms.at(0).weight * taken(golden.input("ref_logits"), t.action);
    }
    check(golden, agent.learners.at(0), t);
  }
}

// The student's, the teacher's and a reference's logits in the states of one answer of three tokens.
struct Answer {
  Tensor teacher =
      torch::tensor({{{2.F, 1.F, 0.F, -1.F}, {.5F, 1.5F, 0.F, 0.F}, {0.F, 0.F, .5F, 2.5F}}});
  Tensor student =
      torch::tensor({{{1.F, 1.5F, 0.F, -.5F}, {0.F, 1.F, .5F, 0.F}, {.5F, 0.F, 0.F, 1.5F}}});
  Tensor reference =
      torch::tensor({{{.5F, .5F, 0.F, 0.F}, {0.F, .5F, 0.F, .5F}, {0.F, 0.F, 0.F, 1.F}}});
  Tensor ids = torch::tensor({{0, 1, 3}});
  Trajectory t = judged(ids, torch::ones({1, 3}), torch::tensor({{1.F, 1.F, 0.F}}), teacher);

  Answer() { t.behavior_log_prob = taken(student, ids); }
  // What each step is credited with.
  Tensor advantages(const MethodSpec& method) const {
    Trajectory paid = t;
    const AgentSpec& agent = agent_of(method);
    if (!agent.paid.terms.empty()) {
      paid.reward = agent.paid.terms.at(0).weight * taken(reference, ids);
    }
    Learning learning(agent.learners.at(0), student);
    return noted(learning.learner->prepare(paid), "advantage");
  }
};

void expect_row(const Tensor& found, const std::vector<float>& expected) {
  EXPECT_TRUE(found.allclose(torch::tensor(expected).unsqueeze(0), 1e-5, 2e-6)) << found;
}

// Worked numbers E7.
TEST(OnPolicy, CreditsATokenWithTheTeachersLeadOverTheStudent) {
  const Answer e;
  expect_row(e.advantages(build("on_policy")), {.735301F, .255517F, .333628F});
  expect_row(e.advantages(build("on_policy", "discount: 0.5")), {.946466F, .422331F, .333628F});
}

// Worked numbers OPD-1.
TEST(OnPolicy, LearnsTheSampledDivergence) {
  const std::vector<float> q = {.5F, .25F, .4F}, p = {.7F, .2F, .1F};
  const auto of = [](const std::vector<float>& probs) {
    const Tensor first = torch::tensor(probs).view({1, 3, 1});
    return torch::cat({first, 1 - first}, -1).log();
  };
  const Tensor ids = torch::zeros({1, 3}, torch::kInt64);
  const Trajectory t = judged(ids, torch::ones({1, 3}), torch::ones({1, 3}), of(p));
  const auto advantages = [&](const std::string& yaml) {
    const Learning learning(agent_of(build("on_policy", yaml)).learners.at(0), of(q));
    return noted(learning.learner->prepare(t), "advantage");
  };
  expect_row(advantages("discount: 0"), {.336472F, -.223144F, -1.386294F});
  expect_row(advantages("discount: 0.5"), {-.121673F, -.916291F, -1.386294F});
  expect_row(advantages("discount: 1"), {-1.272966F, -1.609438F, -1.386294F});
}

// The sampled gradient, weighed by how often each action is drawn, is the gradient of the reverse KL (F0).
TEST(OnPolicy, IsTheReverseKlGradientInExpectation) {
  const Tensor p = torch::tensor({.7F, .2F, .1F}), q = torch::tensor({.5F, .25F, .25F});
  Tensor expected = torch::zeros({3});
  for (int64_t action = 0; action < 3; ++action) {
    Trajectory t = judged(torch::full({1, 1}, action, torch::kInt64), torch::ones({1, 1}),
                          torch::zeros({1, 1}), p.log().view({1, 1, 3}));
    t.behavior_log_prob = q.log()[action].view({1, 1});
    Learning learning(agent_of(build("on_policy")).learners.at(0), q.log().view({1, 1, 3}));
    expected += q[action] * learning.learn(learning.learner->prepare(t)).view({3});
  }
  EXPECT_TRUE(expected.allclose(torch::tensor({-.226547F, .026630F, .199917F}), 0, 1e-6))
      << expected;
}

// Answers of two tokens of three: the second's states are those after each first.
struct EveryAnswer {
  EveryAnswer() {
    torch::manual_seed(3);
    teacher = torch::randn({4, 3});
    student = torch::randn({4, 3});
  }
  // Of the reverse KL of whole answers.
  Tensor exact_gradient() const {
    const Tensor z = student.clone().requires_grad_();
    const Tensor log_q = z.log_softmax(-1), log_p = teacher.log_softmax(-1);
    const auto joint = [](const Tensor& x) { return x[0].unsqueeze(1) + x.narrow(0, 1, 3); };
    (joint(log_q).exp() * (joint(log_q) - joint(log_p))).sum().backward();
    return z.grad();
  }
  // Of a method, from every answer, weighed by how often the student writes it.
  Tensor expected_gradient(const MethodSpec& method) const {
    Tensor found = torch::zeros({4, 3});
    for (int64_t a = 0; a < 3; ++a) {
      for (int64_t b = 0; b < 3; ++b) {
        const Tensor states = torch::tensor({int64_t{0}, 1 + a});
        const auto rows = [&](const Tensor& x) { return x.index_select(0, states).unsqueeze(0); };
        Trajectory t = judged(torch::tensor({{a, b}}), torch::ones({1, 2}),
                              torch::tensor({{1.F, 0.F}}), rows(teacher));
        t.behavior_log_prob = taken(rows(student), t.action);
        Learning learning(agent_of(method).learners.at(0), rows(student));
        const Tensor gradient = 2 * learning.learn(learning.learner->prepare(t)).squeeze(0);
        found.index_add_(0, states, t.behavior_log_prob.sum().exp() * gradient);
      }
    }
    return found;
  }
  Tensor teacher, student;
};

TEST(OnPolicy, OfUndiscountedSumsIsTheGradientOfTheKlOfAnswers) {
  const EveryAnswer e;
  const Tensor found = e.expected_gradient(build("on_policy", "discount: 1"));
  EXPECT_TRUE(found.allclose(e.exact_gradient(), 1e-4, 1e-6)) << found << e.exact_gradient();
}

// Equation 3: the exact part of each step and the sampled return of those that follow.
TEST(MiniLlm, IsTheGradientOfTheKlOfAnswersInItsTwoParts) {
  const EveryAnswer e;
  const Tensor found = e.expected_gradient(
      build("minillm", "length_normalized: false\nlm_weight: 0\nteacher_share: 0"));
  EXPECT_TRUE(found.allclose(e.exact_gradient(), 1e-4, 1e-6)) << found << e.exact_gradient();
}

// Worked numbers E7 and OPD-2.
TEST(GOpd, ExtrapolatesFromTheReference) {
  const Answer e;
  expect_row(e.advantages(build("g_opd", "lambda: 0.5")), {.371783F, -.030289F, .092785F});
  expect_row(e.advantages(build("g_opd", "lambda: 1.25")), {.917059F, .398421F, .454049F});

  const auto of = [](double log_prob) {
    return torch::tensor({std::log(1 - std::exp(log_prob)), log_prob}, torch::kFloat32)
        .view({1, 1, 2});
  };
  Answer one;
  one.ids = torch::ones({1, 1}, torch::kInt64);
  one.student = of(-1);
  one.reference = of(-1.2);
  one.t = judged(one.ids, torch::ones({1, 1}), torch::zeros({1, 1}), of(-.5));
  expect_row(one.advantages(build("g_opd", "lambda: 1.25")), {.675F});
  expect_row(one.advantages(build("g_opd", "lambda: 1")), {.5F});
}

TEST(GOpd, OfLambdaOneIsOnPolicyDistillation) {
  EXPECT_TRUE(agent_of(build("g_opd", "lambda: 1")).paid.terms.empty());
  const AgentSpec g_opd = agent_of(build("g_opd", "lambda: 1"));
  const AgentSpec plain = agent_of(build("on_policy"));
  EXPECT_EQ(to_yaml(to_options(g_opd)), to_yaml(to_options(plain)));
}

TEST(GOpd, NamesItsReference) {
  const auto judge = [](const std::string& yaml) {
    const MethodSpec method = build("g_opd", yaml);
    return component(
        bound<LogLikelihoodOfOptions>(agent_of(method).paid.terms.at(0).term.options).judge);
  };
  EXPECT_EQ(judge("lambda: 2").name, "reference");
  EXPECT_TRUE(judge("lambda: 2").options.empty());
  EXPECT_EQ(*judge("reference: {path: models/base}").options.find("path")->as<std::string>(),
            "models/base");
  expect_error([] { build("g_opd", "reference: {folder: a}"); }, "unknown key \"folder\"",
               /*is_whole=*/false);
}

std::string yaml_of(const GoldenCase& golden) {
  const std::string whiten = golden.text("whiten");
  const auto line = [](const std::string& name, const std::string& value) {
    return name + ": " + value + "\n";
  };
  const auto flag = [&](const std::string& name, const char* param) {
    return line(name, golden.flag(param, false) ? "true" : "false");
  };
  const auto number = [&](const std::string& name, double value) {
    return line(name, std::to_string(value));
  };
  return number("discount", golden.number("gamma", 1)) +
         flag("include_current", "include_current") +
         flag("length_normalized", "length_normalise") +
         line("whiten", whiten == "all"      ? "padding"
                        : whiten == "masked" ? "steps"
                                             : whiten) +
         number("clip", golden.number("clip", 0)) +
         number("reward_scale", 1 / golden.number("reward_scaling", 1)) +
         number("reward_clip", golden.number("reward_clip", 0)) +
         number("single_step", golden.number("single_step", 1)) +
         (golden.number("single_step", 1) > 0 ? flag("single_step_weighted", "single_step_weighted")
                                              : "") +
         line("lm_weight", "0");
}

// A golden batch as the mixture collected it. The fixtures' deviation is that of a population, ours that of a
// sample, which advantages are scaled by before they are compared.
TEST(MiniLlm, ReproducesTheGoldenCases) {
  for (const GoldenCase& golden : float32_cases("minillm")) {
    const LearnerSpec spec = agent_of(build("minillm", yaml_of(golden))).learners.at(0);
    Trajectory t = collected(golden);
    const double share = golden.number("teacher_mix", 0);
    const Tensor old = golden.input("old_log_probs");
    const Tensor p = taken(golden.input("teacher_logits"), t.action);
    t.behavior_log_prob = torch::logaddexp(p + std::log(share), old + std::log1p(-share));
    t.behavior_log_prob.masked_fill_(t.mask.logical_not(), 0);
    const Tensor now = golden.input("student_logits");
    const Tensor then = logits_of(old, t.action, now.size(-1));

    const std::string whiten = golden.text("whiten");
    const double n = whiten == "all" ? static_cast<double>(t.mask.numel())
                                     : static_cast<double>(t.mask.sum().item<int64_t>());
    const double factor = whiten == "none" ? 1 : std::sqrt(n / (n - 1));
    for (const int64_t micro_batch_tokens : {100000, 7}) {
      Learning learning(spec, then, micro_batch_tokens);
      Trajectory prepared = learning.learner->prepare(t);
      const auto [name, advantage] = note_of(prepared, "advantage");
      prepared = prepared.with_note(name, advantage * factor);
      golden.expect("advantages", noted(prepared, "advantage"));
      learning.set(now);
      expect_gradient(golden, learning.learn(prepared));
      golden.expect("loss_policy_gradient",
                    metric(learning.metrics, "policy/loss/policy_gradient"));
      if (golden.number("single_step", 1) == 0) continue;
      golden.expect("loss_single_step", metric(learning.metrics, "policy/loss/imitation"));
    }
  }
}

// Worked numbers E6.
TEST(MiniLlm, CreditsATokenWithTheMeanOfWhatFollows) {
  const Answer e;
  const auto advantages = [&](const std::string& yaml) {
    return e.advantages(build("minillm", "lm_weight: 0\n" + yaml));
  };
  expect_row(advantages("length_normalized: false"), {.589145F, .333628F, 0});
  expect_row(advantages(""), {.589145F / 2, .333628F, 0});
  expect_row(advantages("include_current: true\ndiscount: 0.95"), {.426380F, .286232F, .333628F});
  // Of three numbers, the deviations of a sample and of a population differ by sqrt(3 / 2).
  expect_row(std::sqrt(1.5) * advantages("include_current: true\ndiscount: 0.95\nwhiten: steps"),
             {1.333783F, -1.074032F, -.259750F});
}

// Worked numbers E6: ratios of the student to the mixture, and the exact part.
TEST(MiniLlm, WeighsStepsByTheStudentsShareOfTheMixture) {
  Answer e;
  const Tensor p = taken(e.teacher, e.ids), q = taken(e.student, e.ids);
  e.t.behavior_log_prob = (.2 * p.exp() + .8 * q.exp()).log();
  expect_row(e.t.behavior_log_prob.exp(), {.375717F, .451791F, .594885F});
  const auto loss = [&](const std::string& yaml, const char* objective) {
    Learning learning(agent_of(build("minillm", yaml)).learners.at(0), e.student);
    const Trajectory prepared = learning.learner->prepare(e.t);
    if (yaml.find("single_step_weighted: false") == std::string::npos) {
      expect_row(noted(prepared, "importance"), {.821543F, .944978F, .926608F});
    }
    learning.learn(prepared);
    return learning.metrics.at(std::string("policy/loss/") + objective);
  };
  EXPECT_NEAR(loss("lm_weight: 0", "imitation"), .140776, 1e-6);
  EXPECT_NEAR(loss("{lm_weight: 0, single_step_weighted: false}", "imitation"), .160641, 1e-6);
}

TEST(MiniLlm, ReadsWrittenRowsBesideThoseOfTheMixture) {
  const AgentSpec agent = agent_of(build("minillm"));
  EXPECT_EQ(agent.source.name, "mix");
  EXPECT_EQ(component(bound<MixOptions>(agent.source.options).actor).name, "mixture");
  std::vector<std::string> rows;
  for (const ObjectiveSpec& objective : agent.learners.at(0).objectives) {
    rows.push_back(objective.rows);
  }
  EXPECT_THAT(rows, testing::ElementsAre("second", "second", "first"));
  EXPECT_EQ(episodes_per_collect(agent_of(build("minillm", "episodes: 256"))), 256);
  EXPECT_TRUE(needs_teacher(agent));
  EXPECT_TRUE(needs_responses(agent));
  EXPECT_FALSE(needs_responses(agent_of(build("minillm", "lm_weight: 0"))));
}

TEST(MiniLlm, RefusesWhatIsOutOfRange) {
  for (const char* yaml :
       {"teacher_share: 1.1", "whiten: all", "reward_scale: 0", "written_share: 1", "kd_ratio: 2",
        "lm_weight: -1", "single_step: -1", "episodes: -1", "reward_clip: -1", "discount: 2"}) {
    EXPECT_THROW(build("minillm", yaml), ConfigError) << yaml;
  }
}

// A domain whose teacher's logits are a table: a row of them per episode.
struct TableDomain : Domain {
  explicit TableDomain(const Tensor& teacher) : table(teacher) {}

  struct Prior : rl::Prior {
    explicit Prior(const Tensor& logits) : table(logits) {}
    rl::ActionSet judge(const Trajectory& t) const override {
      const Tensor rows = table.index_select(0, t.episode).narrow(1, 0, t.length());
      return {{}, {}, {}, rows, std::make_shared<rl::Readout>()};
    }
    Tensor table;
  };
  std::shared_ptr<const rl::Prior> judge(const ComponentSpec& judge,
                                         const agents::OfferOptions&) const override {
    if (judge.name != "teacher") throw has_no("a table", "judge", judge);
    return std::make_shared<Prior>(table);
  }
  std::shared_ptr<rl::PolicyModel> model(const std::string&) const override { return nullptr; }
  std::shared_ptr<const rl::Readout> judge_readout(const ComponentSpec&,
                                                   const agents::OfferOptions&) const override {
    return nullptr;
  }
  std::unique_ptr<rl::Source> dataset() const override { return nullptr; }
  std::unique_ptr<rl::Source> rollout(const RolloutOptions&) const override { return nullptr; }
  std::unique_ptr<rl::Source> segments(const SegmentsOptions&) const override { return nullptr; }
  Tensor table;
};

// The rows with what a method's payers pay.
Trajectory paid(const MethodSpec& method, Trajectory t, const Tensor& teacher_logits) {
  const TableDomain domain(teacher_logits);
  const Context context{.domain = domain, .seed = 1, .threads = {}, .micro_batch_tokens = 5};
  for (const RewardSpec::Term& term : agent_of(method).paid.terms) {
    t.reward = t.reward + term.weight * make_payer(term.term, context)->pay(t) * t.mask;
  }
  return t;
}

std::string llmr_of(const GoldenCase& golden) {
  const bool hard = golden.text("value") == "hard";
  return std::string("value: ") + (hard ? "hard" : "expectation") +
         "\ngauge: " + (golden.flag("centre", false) ? "centered" : "raw") +
         "\nreward_scale: " + std::to_string(1 / golden.number("denominator", 1)) +
         "\nadvantage_clip: " + std::to_string(golden.number("clip", 0)) +
         "\nimportance_clip: " + (golden.flag("importance", false) ? "1000000" : "0");
}

// From the teacher's logits to the gradient, on rows that end and rows that were cut.
TEST(Llmr, ReproducesTheGoldenCases) {
  for (const GoldenCase& golden : float32_cases("inverse_bellman")) {
    const MethodSpec method = build("llmr", llmr_of(golden));
    const Tensor z = golden.input("teacher_logits"), now = golden.input("student_logits");
    Trajectory t = make_rows(golden.input("tokens"), golden.input("mask"),
                             golden.input("discounts"), z.size(-1));
    if (golden.has("old_log_probs")) t.behavior_log_prob = golden.input("old_log_probs");
    t = paid(method, t, z);
    golden.expect("rewards", t.reward * golden.number("denominator", 1));
    for (const int64_t micro_batch_tokens : {100000, 7}) {
      Learning learning(agent_of(method).learners.at(0), now, micro_batch_tokens);
      const Trajectory prepared = learning.learner->prepare(t);
      golden.expect("returns",
                    rl::padded("returns", noted(prepared, "advantage"), t.mask.sizes().vec()) *
                        golden.number("denominator", 1));
      expect_gradient(golden, learning.learn(prepared));
      golden.expect("loss", metric(learning.metrics, "policy/loss/policy_gradient"));
    }
  }
}

TEST(Endogenous, ReproducesTheGoldenCases) {
  for (const GoldenCase& golden : float32_cases("endogenous_reward")) {
    const MethodSpec method =
        build("endogenous", "baseline: none\nnormalize: false\nentropy: " +
                                std::to_string(golden.number("entropy_temperature", 1)));
    const Tensor z = golden.input("teacher_logits"), now = golden.input("student_logits");
    const Tensor discount = golden.input("discounts");
    Trajectory t = make_rows(golden.input("tokens"), golden.input("mask"), discount, z.size(-1));
    t = paid(method, t, z);
    golden.expect("rewards", t.reward);
    t.discount = torch::ones_like(discount);  // the fixtures' returns are sums
    Learning learning(agent_of(method).learners.at(0), now);
    const Trajectory prepared = learning.learner->prepare(t);
    golden.expect("returns",
                  rl::padded("returns", noted(prepared, "advantage"), t.mask.sizes().vec()));
    expect_gradient(golden, learning.learn(prepared));
    golden.expect("loss", metric(learning.metrics, "policy/loss/policy_gradient"));
  }
}

// Worked numbers E8, through the methods.
TEST(Llmr, PaysTheRewardThatTheTeachersLogitsImply) {
  const Answer e;
  const auto reward = [&](const std::string& name, const std::string& yaml) {
    return paid(build(name, yaml), e.t, e.teacher).reward;
  };
  expect_row(reward("llmr", "gauge: raw"), {.5F, -1.F, 2.5F});
  expect_row(reward("llmr", ""), {.5F, -.75F, 1.75F});
  expect_row(reward("llmr", "value: expectation"), {1.071770F, -.225881F, 1.75F});
  expect_row(reward("endogenous", ""), {-.095611F, -1.261984F, 2.5F});
  // In the gauge of log-probabilities soft values are 0: the reward is the log-likelihood.
  expect_row(reward("endogenous", "gauge: log_softmax"), {-.440190F, -.595611F, -.261984F});
  // The first block of two steps is worth Q(s_0, a_0) - max Q(s_2) = -0.5, the next is the last step.
  const MethodSpec blocks = build("llmr", "gauge: raw\nsteps: 2");
  Learning learning(agent_of(blocks).learners.at(0), e.student);
  const Trajectory prepared = learning.learner->prepare(paid(blocks, e.t, e.teacher));
  expect_row(noted(prepared, "advantage"), {2, 1.5F, 2.5F});
}

// With the student's entropy, undiscounted returns differ from those of the reverse KL by the state's value.
TEST(Endogenous, OfStudentEntropyOneIsTheReverseKl) {
  const Answer e;
  const MethodSpec method =
      build("endogenous", "student_entropy: 1\nbaseline: none\nnormalize: false");
  Learning learning(agent_of(method).learners.at(0), e.student);
  const Tensor found = noted(learning.learner->prepare(paid(method, e.t, e.teacher)), "advantage");
  const Tensor value = e.teacher.logsumexp(-1);
  expect_row(found - value, {1.324446F, .589145F, .333628F});
}

TEST(Llmr, AsksTheTeacherForItsLogitsOnly) {
  for (const char* name : {"llmr", "endogenous"}) {
    const AgentSpec agent = agent_of(build(name));
    EXPECT_TRUE(needs_teacher(agent));
    EXPECT_FALSE(is_judged(agent));
    EXPECT_FALSE(needs_responses(agent));
  }
}

TEST(Llmr, RefusesWhatIsOutOfRange) {
  for (const char* yaml : {"value: soft", "gauge: max", "steps: 0", "reward_scale: 0",
                           "discount: 2", "advantage_clip: -1", "importance_clip: -1"}) {
    EXPECT_THROW(build("llmr", yaml), ConfigError) << yaml;
  }
  for (const char* yaml : {"entropy: 0", "student_entropy: -1", "baseline: group", "gamma: -1",
                           "baseline: batch\ngamma: 0"}) {
    EXPECT_THROW(build("endogenous", yaml), ConfigError) << yaml;
  }
}

TEST(Speculative, LetsTheTeacherCorrectTheStudent) {
  const AgentSpec agent = agent_of(build("speculative", "k: 10\nreplace_temperature: 0.1"));
  EXPECT_EQ(agent.source.name, "rollout");
  const auto rollout = bound<RolloutOptions>(agent.source.options);
  EXPECT_EQ(rollout.sampling.temperature, .5);
  const ComponentSpec actor = component(rollout.actor);
  EXPECT_EQ(actor.name, "speculative");
  const auto found = bound<SpeculativeActorOptions>(actor.options);
  EXPECT_EQ(found.k, 10);
  EXPECT_EQ(found.replace.temperature, .1);
  EXPECT_EQ(found.replace.top_p, .5);
  EXPECT_TRUE(needs_teacher(agent));
  EXPECT_FALSE(needs_responses(agent));
  EXPECT_TRUE(needs_responses(agent_of(build("speculative", "written_share: 0.3"))));
}

TEST(Speculative, RefusesWhatIsOutOfRange) {
  for (const char* yaml :
       {"k: 0", "decay_tokens: -1", "draft_tokens: 0", "replace_temperature: -1",
        "replace_top_p: 0", "written_share: 1", "divergence: kl", "beta: 0.3", "top_p: 0"}) {
    EXPECT_THROW(build("speculative", yaml), ConfigError) << yaml;
  }
}

TEST(OnPolicy, RefusesWhatIsOutOfRange) {
  for (const char* yaml :
       {"discount: 1.5", "coefficient: 0", "clip: -1", "epochs: 0", "temperature: -1"}) {
    EXPECT_THROW(build("on_policy", yaml), ConfigError) << yaml;
  }
  for (const char* yaml : {"lambda: -1", "discount: -0.1", "clip: -1", "reference: student"}) {
    EXPECT_THROW(build("g_opd", yaml), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace distill

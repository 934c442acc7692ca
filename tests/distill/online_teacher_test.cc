#include <gmock/gmock.h>

#include <algorithm>

#include "agents/language_model.h"
#include "agents/weights.h"
#include "distill/components/components.h"
#include "distill/components/text_domain.h"
#include "distill/registry.h"
#include "distill/yaml.h"
#include "envs/token/dataset_source.h"
#include "rl/opinion.h"
#include "rl/torch.h"
#include "tests/distill/expect_error.h"
#include "tests/support/golden.h"

namespace distill {
namespace {

using rl::Tensor;
using testing_support::golden_cases;
using testing_support::GoldenCase;

AgentSpec agent_of(const std::string& yaml) {
  const Options options = yaml.empty() ? Options() : parse_yaml(yaml, "run.yaml");
  const MethodSpec method = find_method("online_teacher").build(options);
  check_components(method);
  return method.stages.at(0).agent;
}

const std::string kStudent = "student", kModules = "teacher_modules";

const LearnerSpec& learner_of(const AgentSpec& agent, const std::string& trains) {
  return *std::find_if(agent.learners.begin(), agent.learners.end(),
                       [&](const LearnerSpec& learner) { return learner.trains == trains; });
}

const RewardSpec& reward_of(const AgentSpec& agent, const std::string& trains) {
  return learner_of(agent, trains).objectives.at(0).reward;
}

// Minus the reward of n states: what the learner of that model makes smaller.
Tensor loss_of(const AgentSpec& agent, const std::string& trains, const Tensor& prior_logits,
               const Tensor& logits, const Tensor& tokens) {
  const rl::Reward reward = make_reward(reward_of(agent, trains));
  const double temperature = make_offer(agent, learner_of(agent, trains), 1).temperature;
  rl::ActionSet actions;
  actions.prior_log_probs = (prior_logits.detach() / temperature).log_softmax(-1);
  const Tensor terms = reward.columns(rl::Opinion(logits, actions, tokens));
  const std::vector<double> weights = reward.weights();
  Tensor loss = torch::zeros({logits.size(0)}, logits.options());
  for (size_t i = 0; i < weights.size(); ++i) {
    loss = loss - weights[i] * terms.select(-1, static_cast<int64_t>(i));
  }
  return loss;
}

struct Players {
  Tensor student, teacher;  // logits [1, 3]
};

const std::vector<double> kP = {0.7, 0.2, 0.1}, kQ = {0.5, 0.25, 0.25};

Players okd1() {
  const auto logits = [](const std::vector<double>& probs) {
    return torch::tensor(probs, torch::kFloat64).log().unsqueeze(0).set_requires_grad(true);
  };
  return {logits(kQ), logits(kP)};
}

struct Losses {
  double student, teacher;
};

// One step of both from where both stood, and what they stood at.
Losses step(const AgentSpec& agent, Players& players, double rate) {
  const Tensor label = torch::zeros({1}, torch::kInt64);
  const Tensor student = loss_of(agent, kStudent, players.teacher, players.student, label).sum();
  const Tensor teacher = loss_of(agent, kModules, players.student, players.teacher, label).sum();
  const Tensor ds = torch::autograd::grad({student}, {players.student})[0];
  const Tensor dt = torch::autograd::grad({teacher}, {players.teacher})[0];
  players = {(players.student.detach() - rate * ds).set_requires_grad(true),
             (players.teacher.detach() - rate * dt).set_requires_grad(true)};
  return {student.item<double>(), teacher.item<double>()};
}

void expect_probs(const Tensor& logits, const std::vector<double>& probs) {
  EXPECT_TRUE(
      torch::allclose(logits.softmax(-1)[0], torch::tensor(probs, torch::kFloat64), 0, 2e-6))
      << logits.softmax(-1);
}

TEST(OnlineTeacher, HasTheLossesAndTheStepOfOkd1) {
  const AgentSpec agent = agent_of("alpha: 0.5");
  Players players = okd1();
  const Losses found = step(agent, players, 1);
  EXPECT_NEAR(found.student, 0.099273, 1e-6);
  EXPECT_NEAR(found.teacher, 0.236649, 1e-6);
  expect_probs(players.teacher, {0.718663, 0.181205, 0.100131});
  expect_probs(players.student, {0.574137, 0.223569, 0.202294});
  EXPECT_NEAR(step(agent, players, 1).student, 0.052872, 1e-6);
}

TEST(OnlineTeacher, HasTheGradientsOfOkd1) {
  const AgentSpec agent = agent_of("alpha: 0.5");
  const Players players = okd1();
  const Tensor label = torch::zeros({1}, torch::kInt64);
  const auto gradient = [&](const std::string& trains, const Tensor& prior, const Tensor& own) {
    return torch::autograd::grad({loss_of(agent, trains, prior, own, label).sum()}, {own})[0][0];
  };
  const auto is = [](const Tensor& found, const std::vector<double>& expected) {
    return torch::allclose(found, torch::tensor(expected, torch::kFloat64), 0, 1e-6);
  };
  EXPECT_TRUE(is(gradient(kStudent, players.teacher, players.student), {-0.2, 0.05, 0.15}));
  EXPECT_TRUE(is(gradient(kModules, players.student, players.teacher), {-0.05, 0.075, -0.025}));
}

TEST(OnlineTeacher, IsPulledOrTaughtAloneAtTheEndsOfAlpha) {
  Players pulled = okd1(), taught = okd1();
  step(agent_of("alpha: 1"), pulled, 1);
  expect_probs(pulled.teacher, {0.637110, 0.233733, 0.129157});
  step(agent_of("alpha: 0"), taught, 1);
  expect_probs(taught.teacher, {0.787988, 0.136554, 0.075458});
}

TEST(OnlineTeacher, HasTheThreeStepsOfOkd1) {
  const AgentSpec agent = agent_of("alpha: 0.5");
  Players players = okd1();
  const double student[] = {0.099273, 0.074082, 0.057259};
  const double teacher[] = {0.236649, 0.214559, 0.197171};
  for (int i = 0; i < 3; ++i) {
    const Losses found = step(agent, players, 0.5);
    EXPECT_NEAR(found.student, student[i], 1e-6);
    EXPECT_NEAR(found.teacher, teacher[i], 1e-6);
  }
  expect_probs(players.teacher, {0.730520, 0.171812, 0.097669});
  expect_probs(players.student, {0.596364, 0.213975, 0.189660});
}

TEST(OnlineTeacher, ScalesByTheSquareOfItsTemperature) {
  const AgentSpec agent = agent_of("temperature: 2");
  const Players players = okd1();
  const Tensor loss =
      loss_of(agent, kStudent, players.teacher, players.student, torch::zeros({1}, torch::kInt64))
          .sum();
  EXPECT_NEAR(loss.item<double>(), 0.123895, 1e-6);
  const Tensor gradient = torch::autograd::grad({loss}, {players.student})[0][0];
  EXPECT_TRUE(torch::allclose(
      gradient, torch::tensor({-0.217332, 0.026805, 0.190527}, torch::kFloat64), 0, 1e-6));
}

TEST(OnlineTeacher, AgreesWithTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("okd")) {
    const AgentSpec agent = agent_of("divergence: " + golden.text("divergence") +
                                     "\ntemperature: " + std::to_string(golden.number("tau", 1)) +
                                     "\nalpha: " + std::to_string(golden.number("alpha", 0.5)));
    const Tensor student = golden.variable("student_logits"),
                 teacher = golden.variable("teacher_logits");
    const Tensor mask = golden.input("mask"), tokens = golden.input("tokens");
    const auto per_token = [&](const std::string& trains, const Tensor& prior, const Tensor& own) {
      const Tensor flat =
          loss_of(agent, trains, prior.flatten(0, -2), own.flatten(0, -2), tokens.flatten());
      return flat.view(mask.sizes()).masked_fill(mask == 0, 0);
    };
    const Tensor of_student = per_token(kStudent, teacher, student);
    const Tensor of_teacher = per_token(kModules, student, teacher);
    golden.expect("per_token", of_student);
    golden.expect("per_token_teacher", of_teacher);
    golden.expect("loss", of_student.sum() / mask.sum());
    golden.expect("loss_teacher", of_teacher.sum() / mask.sum());
    golden.expect_gradients(of_student.sum() / mask.sum(), {{"student_logits", student}});
    golden.expect_gradients(of_teacher.sum() / mask.sum(), {{"teacher_logits", teacher}});
  }
}

agents::Decoder tiny(uint64_t seed) {
  const std::string json =
      R"({"model_type": "llama", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
          "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
          "max_position_embeddings": 64, "initializer_range": 0.2, "tie_word_embeddings": false})";
  return agents::new_decoder(agents::parse_decoder_config(json, "tiny"), seed);
}

TextDomainOptions options_of_domain(const agents::Decoder& teacher, const ComponentSpec& judge) {
  TextDomainOptions options;
  options.student = tiny(1);
  options.teacher = teacher;
  options.judge = judge;
  return options;
}

rl::Trajectory written() {
  return envs::trajectory_of(
      {{.prompt = {5, 6, 7}, .response = {8, 2}, .ended = true, .where = "a"},
       {.prompt = {5}, .response = {9, 10, 11}, .ended = false, .where = "b"}},
      torch::arange(2));
}

class Play : public testing::Test {
 protected:
  Play()
      : agent_(agent_of("rank: 4\nteacher_rate: 2")),
        domain_(options_of_domain(teacher_, agent_.judge)),
        made_(made(agent_)) {}

  std::vector<std::unique_ptr<rl::Learner>> made(const AgentSpec& agent) const {
    LearnerSettings settings;
    settings.learning_rate = [](int64_t) { return 1e-2; };
    settings.threads = {1, 1};
    settings.micro_batch_tokens = 4;
    const Context context{
        .domain = domain_, .seed = 1, .threads = {1, 1}, .micro_batch_tokens = 64};
    return std::move(make_agent(agent, context, settings).learners);
  }
  std::vector<Tensor> weights() const {
    std::vector<Tensor> result;
    for (const auto& parameter : teacher_->parameters()) result.push_back(parameter.clone());
    return result;
  }
  rl::Trajectory judged() const {
    return written().with(domain_.judge(agent_.judge, make_offer(agent_, 1))->judge(written()));
  }
  // One update of both; the metrics of both.
  rl::Metrics update() {
    const rl::Trajectory batch = judged();
    for (const auto& learner : made_) learner->accumulate(batch);
    rl::Metrics metrics;
    for (const auto& learner : made_) rl::merge(metrics, learner->step());
    return metrics;
  }

  agents::Decoder teacher_ = tiny(2);
  AgentSpec agent_;
  TextDomain domain_;
  std::vector<std::unique_ptr<rl::Learner>> made_;
};

TEST_F(Play, LeavesTheWeightsOfTheTeacherAsTheyWere) {
  const std::vector<Tensor> before = weights();
  const Tensor said = judged().actions.prior_features.clone();
  for (int i = 0; i < 5; ++i) update();
  const std::vector<Tensor> after = weights();
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(before[i].equal(after[i])) << i;
  EXPECT_FALSE(judged().actions.prior_features.equal(said));
}

// Parts of other lengths than the batch among them.
TEST_F(Play, TeachesWhatTheModulesSayThoughTheyAreAskedOnce) {
  for (int i = 0; i < 3; ++i) update();  // until the modules say something of their own
  AgentSpec alone = agent_;
  alone.learners = {learner_of(agent_, kStudent)};
  const auto student = std::move(made(alone).front());
  const rl::Trajectory batch = judged();
  for (const auto& learner : made_) learner->accumulate(batch);
  student->accumulate(batch);
  ASSERT_EQ(agent_.learners.back().trains, kStudent);
  const std::vector<Tensor> found = made_.back()->gradients(), expected = student->gradients();
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(found[i].allclose(expected[i], 1e-4, 1e-6)) << i;
}

TEST_F(Play, LearnsTheModulesAtTheirOwnRate) {
  const rl::Metrics metrics = update();
  EXPECT_NEAR(metrics.at("student/learning_rate"), 1e-2, 1e-12);
  EXPECT_NEAR(metrics.at("teacher_modules/learning_rate"), 2e-2, 1e-12);
}

TEST_F(Play, GivesTheModulesNothingOfTheStudentsLoss) {
  const auto modules = domain_.model("teacher_modules");
  const rl::Trajectory batch = judged();
  EXPECT_FALSE(batch.actions.prior_features.requires_grad());
  const auto student = domain_.model("student");
  const rl::Reward reward = make_reward(reward_of(agent_, kStudent));
  const Tensor loss =
      rl::sum_states(student->evaluate(batch), batch, batch.mask.to(torch::kFloat32), {-1.0},
                     [&](const rl::Opinion& o) { return reward.columns(o); })
          .total;
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : modules->parameters()) tensors.push_back(tensor);
  for (const Tensor& gradient :
       torch::autograd::grad({loss}, tensors, {}, {}, false, /*allow_unused=*/true)) {
    EXPECT_FALSE(gradient.defined());
  }
}

// alpha = 0: what supervised learning of the modules alone would do.
TEST_F(Play, IsSupervisedLearningOfTheModulesWithoutAlpha) {
  const AgentSpec agent = agent_of("alpha: 0");
  EXPECT_EQ(learner_of(agent, kModules).judge.name, "none");
  ASSERT_EQ(reward_of(agent, kModules).terms.size(), 1U);
  EXPECT_EQ(reward_of(agent, kModules).terms[0].term.name, "log_likelihood");
  EXPECT_EQ(reward_of(agent, kModules).terms[0].weight, 1);
}

TEST(OnlineTeacher, RefusesWhatIsOutOfRange) {
  const auto build = [](const std::string& yaml) { return [yaml] { agent_of(yaml); }; };
  expect_error(build("alpha: 1.5"), "run.yaml:1:8: needs 0 <= alpha <= 1, found alpha: 1.5");
  expect_error(build("temperature: 0"),
               "run.yaml:1:14: needs temperature > 0, found temperature: 0");
  expect_error(build("rank: 0"), "run.yaml:1:7: needs rank >= 1, found rank: 0");
  expect_error(build("divergence: tvd"), "run.yaml:1:13: ", /*is_whole=*/false);
  expect_error(build("teacher_rate: 0"), "needs teacher_rate > 0",
               /*is_whole=*/false);
}

TEST(TextDomain, HasNoModulesWithoutAJudgeThatAttachesThem) {
  const TextDomain domain(options_of_domain(tiny(2), "teacher"));
  expect_error([&] { domain.model("teacher_modules"); }, "text has no model \"teacher_modules\"");
}

}  // namespace
}  // namespace distill

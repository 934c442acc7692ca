#include <gmock/gmock.h>

#include "distill/components/components.h"
#include "distill/registry.h"
#include "distill/yaml.h"
#include "tests/distill/expect_error.h"

namespace distill {
namespace {

AgentSpec agent_of(const std::string& yaml) {
  const Options options = yaml.empty() ? Options() : parse_yaml(yaml, "run.yaml");
  const MethodSpec method = find_method("collaborative").build(options);
  check_components(method);
  return method.stages.at(0).agent;
}

TEST(Collaborative, TakesTurnsWithTheModules) {
  const AgentSpec agent = agent_of("alternate_every: 7");
  EXPECT_EQ(agent.alternate_every, 7);
  EXPECT_EQ(agent.judge.name, "repaired_teacher");
  ASSERT_EQ(agent.learners.size(), 2U);
  EXPECT_EQ(agent.learners[0].trains, "student");
  EXPECT_EQ(agent.learners[1].trains, "teacher_modules");
  EXPECT_TRUE(needs_teacher(agent));
}

TEST(Collaborative, LearnsTheStudentAloneWhereLayersAreAveraged) {
  const AgentSpec agent = agent_of("update: average\nkeep: 0.8");
  EXPECT_EQ(agent.alternate_every, 0);
  ASSERT_EQ(agent.learners.size(), 1U);
  EXPECT_EQ(bound<RepairedTeacherOptions>(agent.judge.options).keep, 0.8);
}

TEST(Collaborative, RefusesWhatIsOutOfRange) {
  const auto build = [](const std::string& yaml) { return [yaml] { agent_of(yaml); }; };
  expect_error(build("keep: 1"), "run.yaml:1:7: needs 0 <= keep < 1, found keep: 1");
  expect_error(build("alternate_every: 0"), "needs alternate_every >= 1", /*is_whole=*/false);
  expect_error(build("repair_below: 2"), "needs 0 <= repair_below <= 1", /*is_whole=*/false);
  expect_error(build("saliency_threshold: -1"), "needs saliency_threshold >= 0",
               /*is_whole=*/false);
  expect_error(build("update: mean"), "run.yaml:1:9: ", /*is_whole=*/false);
}

}  // namespace
}  // namespace distill

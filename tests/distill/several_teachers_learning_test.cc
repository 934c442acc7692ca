// Two teachers, one of which is wrong about half of the prompts: who is told nothing of that must find it
// out.

#include <gmock/gmock.h>

#include <filesystem>

#include "agents/weights.h"
#include "distill/comparison.h"
#include "distill/components/components.h"
#include "distill/components/text_domain.h"
#include "distill/registry.h"
#include "distill/training.h"
#include "distill/yaml.h"
#include "envs/token/token_environment.h"
#include "rl/torch.h"
#include "tests/distill/own_temp.h"

namespace distill {
namespace {

using rl::Tensor;

constexpr int64_t kVocabulary = 24, kLength = 8, kEnd = 2;
constexpr int64_t kKinds[] = {3, 4};  // the first id of a prompt says its kind

agents::Decoder make_decoder(uint64_t seed, int64_t width, double spread) {
  const std::string json =
      R"({"model_type": "llama", "vocab_size": 24, "intermediate_size": 32, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 64,
          "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "hidden_size": )" +
      std::to_string(width) + R"(, "initializer_range": )" + std::to_string(spread) + "}";
  return agents::new_decoder(agents::parse_decoder_config(json, "tiny"), seed);
}

// A copy that reads the marks of one kind of prompt as noise, and so has other opinions after it.
agents::Decoder spoiled(const agents::Decoder& good, int64_t kind) {
  agents::Decoder copy(good->copy());
  torch::NoGradGuard no_grad;
  torch::manual_seed(17);
  for (const auto& item : copy->named_parameters()) {
    if (item.key() != "model.embed_tokens.weight") continue;
    Tensor mark = item.value()[kind];
    mark.copy_(8 * torch::randn_like(mark));
  }
  return copy;
}

// Marks of the kind and one token, a function of the episode.
std::vector<int64_t> prompt_of(int64_t episode) {
  const int64_t kind = kKinds[episode % 2];
  return {kind, kind, kind, kind, 5 + episode / 2 % 19};
}

// Text whose dataset is what the good teacher answers.
class World : public TextDomain {
 public:
  World(const TextDomainOptions& options, agents::Decoder writer)
      : TextDomain(options), writer_(std::move(writer)) {}
  std::unique_ptr<rl::Source> dataset() const override {
    const auto stage = [&] {
      return rl::Rollout::Stage{
          std::make_unique<envs::TokenEnvironment>(
              envs::TokenEnvironmentOptions{
                  .vocabulary_size = kVocabulary, .end_ids = {kEnd}, .max_new_tokens = kLength},
              prompt_of),
          std::make_unique<agents::LanguageModelActor>(writer_, agents::SamplingOptions(), kLength,
                                                       1, "writer")};
    };
    return std::make_unique<rl::Rollout>(stage, rl::Threads{1, 1}, /*own=*/false);
  }

 private:
  agents::Decoder writer_;
};

// KL(good teacher, student) at answers that were not learned from, after learning by a method.
double held_out_kl(const std::string& name, const std::string& yaml,
                   const std::vector<agents::Decoder>& teachers) {
  const agents::Decoder good = teachers.front();
  const agents::Decoder student = make_decoder(5, 32, 0.2);
  TextDomainOptions options;
  options.student = student;
  options.teacher = good;
  options.teachers = teachers;
  const World world(options, good);
  TrainConfig train;
  train.steps = 500;
  train.batch_size = 24;
  train.learning_rate = 1e-2;
  const std::string folder = own_temp("several_" + name);
  std::filesystem::create_directories(folder);
  const Training training{.domain = world, .seed = 1, .threads = {1, 1}, .measure = {}};
  const AgentSpec agent = find_method(name).build(parse_yaml(yaml, "test")).stages.front().agent;
  EXPECT_FALSE(learn(agent, train, training, folder, {}).interrupted);
  std::filesystem::remove_all(folder);
  const rl::Trajectory rows = world.dataset()->collect(torch::arange(100000, 100256), 0);
  const agents::LmTeacher judge(good, {});
  return compare_policies(agents::LanguageModel(student), &judge, rows, {}).to_teacher->forward_kl;
}

TEST(SeveralTeachers, AreWeighedAndChosenNearlyAsWellAsByWhoKnowsThem) {
  const agents::Decoder good = make_decoder(1, 16, 0.7);
  const std::vector<agents::Decoder> teachers = {good, spoiled(good, kKinds[1])};
  const double oracle = held_out_kl("kd", "kd_ratio: 0.8", teachers);
  const double average =
      held_out_kl("teacher_ensemble", "{weights: even, kd_ratio: 0.8}", teachers);
  const double gated = held_out_kl("teacher_ensemble", "{kd_ratio: 0.8, gate_rate: 2}", teachers);
  const double selected =
      held_out_kl("teacher_selection", "{kd_weight: 4, warm_up: 500, selector_rate: 2}", teachers);
  RecordProperty("oracle", std::to_string(oracle));
  RecordProperty("average", std::to_string(average));
  RecordProperty("gated", std::to_string(gated));
  RecordProperty("selected", std::to_string(selected));
  EXPECT_LT(gated, average);
  EXPECT_LT(selected, average);
  EXPECT_LE(gated, 1.1 * oracle) << "average " << average;
  EXPECT_LE(selected, 1.1 * oracle) << "average " << average;
}

}  // namespace
}  // namespace distill

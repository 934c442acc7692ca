#include "agents/saliency.h"

#include <gmock/gmock.h>

#include "agents/teacher_repair.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "rl/checkpoint.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

Tensor numbers(std::vector<double> values) { return torch::tensor(values, torch::kFloat64); }

// CL-1.
const Tensor kTheta = numbers({1, -2, 0.01, 0.02}), kGradient = numbers({0.5, 0.1, 0.2, 0.001});

TEST(Saliency, HasTheNumbersOfCl1) {
  const Tensor found = saliency(kTheta, kGradient);
  EXPECT_TRUE(torch::allclose(found, numbers({0.5, 0.2, 0.002, 0.00002})));
  EXPECT_EQ(salient_share({found}, 0.005), 0.5);
  EXPECT_TRUE(torch::allclose(repaired(kTheta, found, numbers({0.8, -1, 0.5, 0.4}), 0.005, 0.9),
                              numbers({1, -2, 0.059, 0.058})));
}

TEST(Saliency, IsCountedOverAllTensorsOfALayer) {
  EXPECT_DOUBLE_EQ(salient_share({numbers({1, 0}), numbers({0, 0, 0, 1})}, 0.5), 2.0 / 6);
}

Decoder tiny(uint64_t seed, int64_t layers, int64_t width = 16) {
  const std::string json =
      R"({"model_type": "llama", "vocab_size": 40, "hidden_size": )" + std::to_string(width) +
      R"(, "intermediate_size": 24, "num_hidden_layers": )" + std::to_string(layers) +
      R"(, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64,
          "initializer_range": 0.2, "tie_word_embeddings": false})";
  return new_decoder(parse_decoder_config(json, "tiny"), seed);
}

rl::Trajectory written() {
  return envs::trajectory_of(
      {{.prompt = {5, 6, 7}, .response = {8, 2}, .ended = true, .where = "a"},
       {.prompt = {5}, .response = {9, 10, 11}, .ended = false, .where = "b"}},
      torch::arange(2));
}

// Where a layer's output is switched off, none of its gradients is left.
TEST(LayerSaliencies, AreZeroInALayerThatDoesNothing) {
  const Decoder teacher = tiny(1, 2);
  {
    torch::NoGradGuard no_grad;
    const auto named = teacher->named_parameters();
    for (const char* name : {"self_attn.o_proj.weight", "mlp.down_proj.weight"}) {
      Tensor(named[std::string("model.layers.1.") + name]).zero_();
    }
  }
  const auto found = layer_saliencies(teacher, written(), 64, {1, 1});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_GT(salient_share(found[0], 0), 0.5);
  EXPECT_EQ(salient_share(found[1], 0), 0);
}

rl::Threads one() { return {1, 1}; }

TEST(TeacherRepair, ChoosesTheLayersOfLowRatesForModulesOnce) {
  const Decoder base = tiny(1, 2);
  const auto modules = std::make_shared<Lora>(base->config(), LoraOptions{.rank = 2}, torch::kCPU);
  const Decoder teacher(base->with_modules(modules));
  TeacherRepair repair(teacher, tiny(2, 1), modules,
                       {.threshold = 0, .below = 0, .threads = one()});
  repair.follow(written());
  EXPECT_FALSE(repair.layers().empty());  // the least in any case
  TeacherRepair all(teacher, tiny(2, 1), modules, {.threshold = 1e9, .threads = one()});
  all.follow(written());
  EXPECT_EQ(all.layers(), (std::vector<int64_t>{0, 1}));
}

TEST(TeacherRepair, AveragesInsalientParametersEverySoManyCollections) {
  const Decoder teacher = tiny(1, 2), student = tiny(2, 1);
  TeacherRepair repair(teacher, student, nullptr,
                       {.threshold = 1e9, .keep = 0.75, .every = 2, .threads = one()});
  const auto before = layer_parameters(teacher);
  const Tensor own = before[1][0].clone(), other = layer_parameters(student)[0][0];
  const Tensor head = teacher->head_weight().clone();
  repair.follow(written());
  repair.follow(written());
  EXPECT_TRUE(before[1][0].equal(own));
  repair.follow(written());  // the third: two updates have been made
  EXPECT_TRUE(torch::allclose(before[1][0], 0.75 * own + 0.25 * other));
  EXPECT_TRUE(teacher->head_weight().equal(head));
}

TEST(TeacherRepair, KeepsWhatIsSalient) {
  const Decoder teacher = tiny(1, 1), student = tiny(2, 1);
  TeacherRepair repair(teacher, student, nullptr,
                       {.threshold = -1, .keep = 0.75, .every = 1, .threads = one()});
  const Tensor own = layer_parameters(teacher)[0][0].clone();
  repair.follow(written());
  repair.follow(written());
  EXPECT_TRUE(layer_parameters(teacher)[0][0].equal(own));
}

TEST(TeacherRepair, IsSavedAndLoaded) {
  const Decoder teacher = tiny(1, 2), student = tiny(2, 2), other = tiny(3, 2);
  const RepairOptions options{.threshold = 1e9, .every = 1, .threads = one()};
  TeacherRepair repair(teacher, student, nullptr, options);
  repair.follow(written());
  repair.follow(written());
  rl::State state;
  repair.save(state);
  TeacherRepair restored(other, student, nullptr, options);
  restored.load(state);
  EXPECT_EQ(restored.layers(), repair.layers());
  EXPECT_TRUE(layer_parameters(other)[0][0].equal(layer_parameters(teacher)[0][0]));
}

TEST(TeacherRepair, RefusesToAverageLayersOfOtherShapes) {
  EXPECT_THROW(TeacherRepair(tiny(1, 2, 16), tiny(2, 2, 8), nullptr, {}), std::invalid_argument);
}

}  // namespace
}  // namespace agents

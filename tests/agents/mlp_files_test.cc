#include "agents/mlp_files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "rl/torch.h"

namespace agents {
namespace fs = std::filesystem;
namespace {

class MlpFiles : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  static MlpOptions options() {
    return {.inputs = 3,
            .actions = 2,
            .hidden = {4, 5},
            .input_scale = {1, 2, 0.5},
            .value_head = true,
            .activation = MlpOptions::Activation::relu,
            .seed = 7,
            .dueling = true};
  }

  void expect_refused(const std::string& words) const {
    try {
      load_mlp(folder_);
      FAIL() << "no error";
    } catch (const std::exception& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(words));
    }
  }

  const std::string folder_ =
      (fs::temp_directory_path() /
       ("decant_mlp_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name())))
          .string();
};

TEST_F(MlpFiles, HoldWhatThePolicyDoes) {
  const MlpPolicy policy(options());
  save_mlp(policy, folder_);
  const auto again = load_mlp(folder_);
  const rl::Tensor observation = torch::randn({6, 3});
  EXPECT_TRUE(policy.logits(observation).equal(again->logits(observation)));
  MlpOptions unscaled = options();
  unscaled.input_scale = {};
  EXPECT_FALSE(policy.logits(observation).equal(MlpPolicy(unscaled).logits(observation)));
}

TEST_F(MlpFiles, AreRefusedByName) {
  expect_refused(folder_ + "/config.json: cannot be read");
  save_mlp(MlpPolicy(options()), folder_);
  MlpOptions wider = options();
  wider.hidden = {4, 6};
  const std::string other = folder_ + "/other";
  save_mlp(MlpPolicy(wider), other);
  fs::copy_file(other + "/model.safetensors", folder_ + "/model.safetensors",
                fs::copy_options::overwrite_existing);
  expect_refused("model.safetensors: policy.1.weight");
  std::ofstream(folder_ + "/config.json") << R"({"model_type": "llama"})";
  expect_refused("expected model_type \"mlp\", found \"llama\"");
}

}  // namespace
}  // namespace agents

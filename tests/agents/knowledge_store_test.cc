#include "agents/knowledge_store.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "envs/token/text_file.h"
#include "rl/torch.h"

namespace agents {
namespace fs = std::filesystem;
namespace {

using rl::Tensor;
using testing::ElementsAre;
using testing::HasSubstr;

class Store : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder()); }
  void TearDown() override { fs::remove_all(folder()); }
  static std::string folder() {
    return testing::TempDir() + "/" + std::to_string(getpid()) + "_store";
  }
  static KnowledgeStore example() {
    torch::manual_seed(2);
    return {
        {{"a \"fine\" film", 1, "generated"}, {"naïve", 0, "examples"}, {"dull", 0, "generated"}},
        {"bad", "good"},
        torch::rand({3, 2}),
        torch::randn({3, 5})};
  }
  static void expect_refusal(const std::string& message) {
    try {
      KnowledgeStore::load(folder());
      FAIL() << "no error; expected " << message;
    } catch (const std::exception& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
  static void replace(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = envs::read_file(folder() + "/" + file);
    text.replace(text.find(from), from.size(), to);
    envs::write_file(folder() + "/" + file, text);
  }
};

TEST_F(Store, ComesBackToTheBit) {
  const KnowledgeStore store = example();
  store.save(folder());
  const KnowledgeStore found = KnowledgeStore::load(folder());
  EXPECT_EQ(found.labels, store.labels);
  ASSERT_EQ(found.size(), 3);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found.texts[i].text, store.texts[i].text);
    EXPECT_EQ(found.texts[i].label, store.texts[i].label);
    EXPECT_EQ(found.texts[i].source, store.texts[i].source);
  }
  EXPECT_TRUE(found.probs.equal(store.probs));
  EXPECT_TRUE(found.embeddings.equal(store.embeddings));
}

TEST_F(Store, CountsItsSourcesAndLabelsInTheManifest) {
  example().save(folder());
  const std::string manifest = envs::read_file(folder() + "/manifest.json");
  EXPECT_THAT(manifest, HasSubstr("\"texts\": 3"));
  EXPECT_THAT(manifest, HasSubstr("\"generated\": 2"));
  EXPECT_THAT(manifest, HasSubstr("\"bad\": 2"));
  EXPECT_THAT(manifest, HasSubstr("\"dimensions\": 5"));
}

TEST_F(Store, NamesTheFileThatIsDamaged) {
  example().save(folder());
  replace("examples.jsonl", "dull", "dumb");
  expect_refusal("examples.jsonl: damaged, its checksum does not match the manifest");
}

TEST_F(Store, NamesWhatADamagedManifestLacks) {
  example().save(folder());
  replace("manifest.json", "\"texts\"", "\"tests\"");
  expect_refusal("manifest.json: damaged, it has no \"texts\"");
  envs::write_file(folder() + "/manifest.json", "{\"format\": 1");
  expect_refusal("manifest.json: damaged, it is no JSON object");
  fs::remove(folder() + "/manifest.json");
  expect_refusal("manifest.json: cannot be read");
}

TEST_F(Store, NamesACountThatDoesNotFit) {
  example().save(folder());
  replace("manifest.json", "\"texts\": 3", "\"texts\": 4");
  expect_refusal("manifest.json: expected 4 texts, found 3");
  replace("manifest.json", "\"format\": 1", "\"format\": 7");
  expect_refusal("expected format 1, found 7");
}

TEST(DistinctTexts, LeaveOutWhatEqualsAnother) {
  EXPECT_THAT(distinct_texts({"a b c d", "e", "a b c d", "e f"}, 1), ElementsAre(0, 1, 3));
}

// "a b c d e" has the sequences abc, bcd, cde; "a b c d f" shares two of the four that both have.
TEST(DistinctTexts, LeaveOutWhatIsNearlyAnother) {
  EXPECT_THAT(distinct_texts({"a b c d e", "a b c d f"}, 0.5), ElementsAre(0));
  EXPECT_THAT(distinct_texts({"a b c d e", "a b c d f"}, 0.51), ElementsAre(0, 1));
}

TEST(DistinctTexts, LeaveOutTextsWithoutWords) {
  EXPECT_THAT(distinct_texts({"  ", "a"}, 1), ElementsAre(1));
  EXPECT_THROW(distinct_texts({"a"}, 0), std::invalid_argument);
}

TEST(NearestItems, AreThoseOfTheLargestCosine) {
  const Tensor items = torch::tensor({{1.0, 0.0}, {0.6, 0.8}, {0.0, 5.0}}, torch::kFloat32);
  const NearestItems index(items);
  const auto found = index.search(torch::tensor({{1.6, 1.2}}, torch::kFloat32), 2);
  EXPECT_TRUE(found.item.equal(torch::tensor({{1, 0}}, torch::kInt64)));
  EXPECT_NEAR(found.similarity[0][0].item<float>(), 0.96, 1e-6);
  EXPECT_NEAR(found.similarity[0][1].item<float>(), 0.80, 1e-6);
  EXPECT_EQ(index.search(torch::ones({2, 2}), 9).item.size(1), 3);
}

}  // namespace
}  // namespace agents

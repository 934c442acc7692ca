#include "distill/report.h"

#include <gmock/gmock.h>

namespace distill {
namespace {

using testing::HasSubstr;

std::vector<ModelScores> example() {
  ModelScores teacher, student;
  teacher.name = "teacher";
  teacher.nats_per_token = 1.25;
  student.name = "élève | 2";
  student.nats_per_token = 2.0;
  student.forward_kl = 0.5;
  student.top1_agreement = 0.625;
  student.peak_memory_bytes = 3 << 20;
  return {teacher, student};
}

TEST(Table, AlignsItsColumnsAndLeavesOutWhatNobodyHas) {
  EXPECT_EQ(to_table(example()),
            "           nats/token  forward KL   top-1  peak memory\n"
            "teacher        1.2500           –       –            –\n"
            "élève | 2      2.0000      0.5000  62.5 %        3 MiB\n");
}

TEST(Markdown, HasARowForEachModelAndAColumnForEachScoreThatIsKnown) {
  const std::string text = to_markdown({"A run", example(), {}, {"Held out: 3 examples."}});
  EXPECT_THAT(text, HasSubstr("# A run\n"));
  EXPECT_THAT(text, HasSubstr("| teacher | 1.2500 | – | – | – |\n"));
  EXPECT_THAT(text, HasSubstr("| élève \\| 2 | 2.0000 | 0.5000 | 62.5 % | 3 MiB |"));
  EXPECT_THAT(text, HasSubstr("Held out: 3 examples.\n"));
  EXPECT_THAT(text, HasSubstr("- **forward KL**: "));
  EXPECT_THAT(text, testing::Not(HasSubstr("ROUGE-L")));
}

TEST(Markdown, ShowsAPromptOnceAndFencesWhateverIsWritten) {
  const std::string text =
      to_markdown({"A run", {}, {{"a", "say", "```hi```", "hi"}, {"b", "say", "ho\n", "hi"}}, {}});
  EXPECT_THAT(text,
              HasSubstr("### Prompt\n\n```text\nsay\n```\n\nAs written:\n\n```text\nhi\n```\n"));
  EXPECT_THAT(text, HasSubstr("\na:\n\n````text\n```hi```\n````\n\nb:\n\n```text\nho\n```\n"));
  EXPECT_EQ(text.find("### Prompt"), text.rfind("### Prompt"));
}

TEST(Scores, SurviveAsJson) {
  for (const ModelScores& scores : example()) {
    const ModelScores again = scores_from_json(to_json(scores));
    EXPECT_EQ(again.name, scores.name);
    EXPECT_EQ(again.nats_per_token, scores.nats_per_token);
    EXPECT_EQ(again.forward_kl, scores.forward_kl);
    EXPECT_EQ(again.peak_memory_bytes, scores.peak_memory_bytes);
    EXPECT_EQ(again.rouge_l, scores.rouge_l);
  }
  EXPECT_THROW(scores_from_json("[]"), std::runtime_error);
}

TEST(Scores, OfLabelledTextsSurviveToo) {
  ModelScores row;
  row.name = "prompt";
  row.accuracy = 0.75;
  row.agreement = 0.5;
  row.self_bleu = 0.25;
  row.distinct = 0.125;
  row.memory_nats = 3.5;
  EXPECT_EQ(to_json(scores_from_json(to_json(row))), to_json(row));
}

TEST(PeakMemory, IsKnownHere) { EXPECT_GT(peak_memory_bytes().value_or(0), 1 << 20); }

}  // namespace
}  // namespace distill

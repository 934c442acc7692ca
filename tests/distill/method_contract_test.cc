// What every method of the registry promises: from its page of a run file it trains to a known optimum in a
// world small enough to write out, and a run that was stopped goes on to the same bits.

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "agents/weights.h"
#include "distill/registry.h"
#include "distill/run_stage.h"
#include "distill/yaml.h"
#include "rl/torch.h"
#include "tests/toy/letters_world.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

const std::string kLong = "steps: 400, batch_size: 32";

// Where a method is tried, with what, and what says that it has learned.
struct Trial {
  enum class World { letters, chain };
  enum class Teachers { one, two, of_own_tokens };
  enum class Goal {
    forward_kl,  // of whole answers, to at most `share` of what it was
    reverse_kl,
    written_kl,  // forward_kl of what the text holds
    told_kl,     // forward_kl to the teacher after the letter that the text tells
    likelihood,  // the teacher's of the student's answers, up to `share` of the way left to the best
    mean_return,  // the best there is
  };
  std::string method = "";    // the value of `method:` without the name
  std::string train = kLong;  // steps and batch size
  std::string student = "";   // the value of `student:`; letters: empty, of random weights
  World world = World::letters;
  Goal goal = Goal::forward_kl;
  double share = 0.05;
  Teachers teachers = Teachers::one;  // letters
  std::string always = "";            // further keys of `train:`, also where a run is stopped
};

const std::string kActor = "{config: {hidden: [16], value_head: true}}";
const std::string kValues = "{config: {hidden: [16]}}";
// Of the letters: the student begins as the teacher.
const std::string kTeacher = "teacher";

Trial in_chain(const std::string& method, const std::string& train, const std::string& student) {
  return {method, train, student, Trial::World::chain, Trial::Goal::mean_return, 0};
}

Trial in_letters(const std::string& method, Trial::Goal goal, double share,
                 const std::string& always = "") {
  return {method, kLong, "", Trial::World::letters, goal, share, Trial::Teachers::one, always};
}

// Methods whose defaults are made for larger things, or whose optimum is another than the teacher. A method that
// is not here is tried as `Trial` says.
const std::map<std::string, Trial>& trials() {
  using Goal = Trial::Goal;
  static const std::map<std::string, Trial> all = {
      {"a2c", in_chain("worlds: 8, steps: 16, gamma: 0.9", "steps: 200", kActor)},
      {"bellman", in_letters("alpha: 5.0, tail: lump", Goal::written_kl, 0.12)},
      {"collaborative",  // learns at every other update
       {.method = "alternate_every: 2",
        .train = "steps: 800, batch_size: 32",
        .goal = Goal::written_kl,
        .share = 0.12}},
      {"cross_tokenizer",
       {.method = "form: gold, ce_weight: 0", .teachers = Trial::Teachers::of_own_tokens}},
      {"custom", in_letters("", Goal::written_kl, 0.1)},
      {"distillm", in_letters("", Goal::forward_kl, 0.05, ", evaluate_every: 3")},
      {"dqn", in_chain("worlds: 4, steps: 2, gamma: 0.9, capacity: 500, explore_share: 0.5, "
                       "target_every: 20",
                       "steps: 500, batch_size: 32", kValues)},
      {"endogenous", in_letters("", Goal::likelihood, 0.1)},
      {"g_opd", in_letters("", Goal::reverse_kl, 0.1)},  // its optimum lies beyond the teacher
      {"gkd", in_letters("lambda: 1, beta: 1", Goal::reverse_kl, 0.05)},
      {"grpo", in_chain("gamma: 0.9, group_size: 4", "steps: 150, batch_size: 16", kValues)},
      {"iq_learn", in_letters("capacity: 1500, alpha: 50.0", Goal::written_kl, 0.15)},
      {"llmr", in_letters("", Goal::likelihood, 0.1)},
      {"minillm", in_letters("", Goal::reverse_kl, 0.1)},
      {"mix_kd", in_letters("", Goal::written_kl, 0.1)},
      {"on_policy", in_letters("", Goal::reverse_kl, 0.05)},
      {"online_teacher", in_letters("", Goal::written_kl, 0.1)},
      {"ppo", in_chain("worlds: 8, steps: 32, gamma: 0.9", "steps: 120, batch_size: 4", kActor)},
      {"reinforce", in_chain("gamma: 0.9", "steps: 150, batch_size: 16", kValues)},
      {"rloo", in_chain("gamma: 0.9, group_size: 4", "steps: 150, batch_size: 16", kValues)},
      {"self_distill",
       {.method = "top_k: 0, top_p: 1", .student = kTeacher, .goal = Goal::told_kl, .share = 0.1}},
      {"seq_kd", in_letters("", Goal::forward_kl, 0.12)},
      {"sft", in_letters("", Goal::written_kl, 0.1)},
      {"speculative",
       in_letters("k: 3, temperature: 1, top_p: 1, replace_temperature: 1, replace_top_p: 1",
                  Goal::forward_kl, 0.05)},
      {"sqil",
       in_chain("gamma: 0.3, entropy: 0.1, temperature: 0.1, capacity: 200, target_every: 10",
                "steps: 600, batch_size: 8", kValues)},
      {"teacher_ensemble",
       {.goal = Goal::written_kl, .share = 0.05, .teachers = Trial::Teachers::two}},
      {"teacher_selection",
       {.method = "warm_up: 6",
        .goal = Goal::written_kl,
        .share = 0.05,
        .teachers = Trial::Teachers::two}},
  };
  return all;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class MethodContract : public testing::TestWithParam<MethodEntry> {
 protected:
  static void SetUpTestSuite() {
    root_ = fs::temp_directory_path() / "decant_method_contract";
    fs::remove_all(root_);
    letters_ = new toy::LettersWorld((root_ / "letters").string());
    train_chain_teacher();
  }
  static void TearDownTestSuite() {
    delete letters_;
    fs::remove_all(root_);
  }

  void SetUp() override {
    const auto found = trials().find(std::string(GetParam().name));
    if (found != trials().end()) trial_ = found->second;
  }

  static std::string chain() {
    return "world: {name: chain, max_episode_steps: 30}\ndata: {demonstrations: 30}\n"
           "evaluate: {episodes: 5}\n";
  }

  static void train_chain_teacher() {
    run(config("chain_teacher", chain() + "student: " + kActor +
                                    "\nmethod: {name: ppo, worlds: 8, steps: 32, gamma: 0.9}\n"
                                    "train: {steps: 120, batch_size: 4, learning_rate: 1.0e-2}\n"));
  }

  static RunConfig config(const std::string& output, const std::string& rest) {
    return to_run_config(
        parse_yaml("output: " + (root_ / output).string() + "\n" + rest, "run.yaml"), "run.yaml");
  }

  // Of the letters; two are the same one twice.
  std::string teachers() const {
    const std::string path = "path: " + letters_->teacher();
    if (trial_.teachers == Trial::Teachers::two) {
      return "teachers: {one: {" + path + "}, two: {" + path + "}}\n";
    }
    const bool foreign = trial_.teachers == Trial::Teachers::of_own_tokens;
    return "teacher: {" + path + (foreign ? ", tokenizer: " + letters_->teacher() : "") + "}\n";
  }

  // @param every updates between checkpoints.
  RunConfig config_of(const std::string& output, const std::string& train,
                      const std::string& every) const {
    const std::string method = "method: {name: " + std::string(GetParam().name) +
                               (trial_.method.empty() ? "" : ", " + trial_.method) + "}\n";
    if (trial_.world == Trial::World::chain) {
      return config(output, chain() +
                                "teacher: {path: " + (root_ / "chain_teacher/student").string() +
                                "}\nstudent: " + trial_.student + "\n" + method +
                                "train: {learning_rate: 1.0e-2, checkpoint_every: " + every + ", " +
                                train + trial_.always + "}\n");
    }
    return config(output,
                  "data: {train: {files: [" + letters_->text() + "]}, validation: {files: [" +
                      letters_->text() +
                      "]}, prompt_tokens: 4, response_tokens: 3, privileged_key: told, "
                      "privileged_template: \"{privileged}\", privileged_tokens: 4}\n"
                      "tokenizer: {path: " +
                      letters_->teacher() + "}\n" + teachers() + "student: " +
                      (trial_.student == kTeacher ? "{path: " + letters_->teacher() + "}"
                                                  : toy::LettersWorld::student_config()) +
                      "\n" + method +
                      "evaluate: {examples: 10, continuations: 0}\n"
                      "threads: {shards: 1, per_shard: 1}\n"
                      "train: {learning_rate: 2.0e-2, betas: [0.9, 0.99], checkpoint_every: " +
                      every + ", " + train + trial_.always + "}\n");
  }

  static StageResult run(const RunConfig& config, int64_t stop_after = -1) {
    int64_t updates = 0;
    StageEvents events;
    events.update = [&](const rl::Progress& now, double, const rl::Metrics&) {
      updates = now.updates;
    };
    events.interrupted = [&] { return updates == stop_after; };
    return run_stage(config, config.stages.front(), {config.output, true}, events);
  }

  static agents::Decoder student_of(const RunConfig& config) {
    return agents::load_decoder(config.output + "/student");
  }

  double measured(const agents::Decoder& student) const {
    switch (trial_.goal) {
      case Trial::Goal::forward_kl:
        return letters_->forward_kl(student);
      case Trial::Goal::reverse_kl:
        return letters_->reverse_kl(student);
      case Trial::Goal::written_kl:
        return letters_->written_kl(student);
      case Trial::Goal::told_kl:
        return letters_->told_kl(student);
      case Trial::Goal::likelihood:
      case Trial::Goal::mean_return:
        break;
    }
    return letters_->best_likelihood() - letters_->teacher_likelihood(student);
  }

  static fs::path root_;
  static toy::LettersWorld* letters_;
  Trial trial_;
};

fs::path MethodContract::root_;
toy::LettersWorld* MethodContract::letters_ = nullptr;

TEST_P(MethodContract, TrainsToAKnownOptimum) {
  const std::string name(GetParam().name);
  const RunConfig whole = config_of(name, trial_.train, "10000");
  const StageResult result = run(whole);
  if (trial_.goal == Trial::Goal::mean_return) {
    EXPECT_EQ(*result.evaluations.back().scores.mean_return, 1);
    return;
  }
  // A learning rate that changes nothing leaves the student where it began.
  RunConfig still = config_of(name + "_still", "steps: 1, batch_size: 4", "10000");
  still.stages.front().train.learning_rate = 1e-30;
  run(still);
  const double before = measured(student_of(still)), after = measured(student_of(whole));
  EXPECT_GT(before, 0.2);
  EXPECT_LT(after, trial_.share * before);
  RecordProperty("before", std::to_string(before));
  RecordProperty("after", std::to_string(after));
}

TEST_P(MethodContract, GoesOnToTheSameBits) {
  const std::string name(GetParam().name);
  const std::string steps = "steps: 8, batch_size: 4";
  const RunConfig whole = config_of(name + "_whole", steps, "3");
  run(whole);
  for (const int64_t stop : {1, 5}) {
    const RunConfig parts = config_of(name + "_cut" + std::to_string(stop), steps, "3");
    EXPECT_TRUE(run(parts, stop).interrupted);
    EXPECT_FALSE(fs::exists(fs::path(parts.output) / "student"));
    EXPECT_FALSE(run(parts).interrupted);
    for (const char* file : {"student/model.safetensors", "metrics.jsonl"}) {
      EXPECT_EQ(content_of(fs::path(whole.output) / file),
                content_of(fs::path(parts.output) / file))
          << "stopped after " << stop << ": " << file;
    }
  }
}

// Those that are one stage of text or of a world.
std::vector<MethodEntry> of_one_stage() {
  std::vector<MethodEntry> found;
  for (const MethodEntry& method : methods()) {
    if (!method.has_kinds) found.push_back(method);
  }
  return found;
}

INSTANTIATE_TEST_SUITE_P(Registry, MethodContract, testing::ValuesIn(of_one_stage()),
                         [](const auto& entry) { return std::string(entry.param.name); });

}  // namespace
}  // namespace distill

#include "rl/replay_buffer.h"

#include <gmock/gmock.h>

#include <thread>

#include "rl/torch.h"
#include "tests/toy/readout_policy.h"

namespace rl {
namespace {

using toy::make_batch;

// Text: rows of 1 to `steps` steps behind prompts of 1 to 3 ids.
Trajectory make_text(int64_t rows, int64_t steps, uint64_t seed) {
  Trajectory t = make_batch(rows, steps, 30, seed, /*reduced=*/true);
  t.start = torch::arange(rows).remainder(3);
  t.observation = torch::randint(30, {rows, steps + 3}, torch::kInt64);
  return t;
}

void expect_same(const Trajectory& a, const Trajectory& b) {
  const auto left = a.tensors(), right = b.tensors();
  ASSERT_EQ(left.size(), right.size());
  for (const auto& [name, tensor] : left) EXPECT_TRUE(tensor.equal(right.at(name))) << name;
}

TEST(ReplayBuffer, DrainsInOrderAndForgets) {
  ReplayBuffer memory({}, 1);
  memory.add(make_batch(5, 2, 12, 1, false));
  EXPECT_EQ(memory.sample(3)->size(), 3);
  EXPECT_EQ(memory.sample(3)->size(), 2);
  EXPECT_FALSE(memory.sample(3).has_value());
}

TEST(ReplayBuffer, GoesThroughEverythingOncePerEpoch) {
  ReplayBuffer memory({.capacity = 0, .epochs = 2}, 1);
  memory.add(make_batch(4, 2, 12, 1, false));
  const auto seen = [&] {
    return torch::cat({memory.sample(2)->episode, memory.sample(2)->episode});
  };
  EXPECT_TRUE(std::get<0>(seen().sort()).equal(torch::arange(4)));
  EXPECT_TRUE(std::get<0>(seen().sort()).equal(torch::arange(4)));
  EXPECT_FALSE(memory.sample(2).has_value());
}

TEST(ReplayBuffer, ResumesToTheSameDraws) {
  ReplayBuffer memory({.capacity = 6, .epochs = 1}, 1), other({.capacity = 6, .epochs = 1}, 1);
  memory.add(make_batch(8, 2, 12, 1, true));
  EXPECT_EQ(memory.size(), 6);
  memory.sample(2);
  State state;
  memory.save(state);
  other.load(state, nullptr);
  const Trajectory a = *memory.sample(4), b = *other.sample(4);
  EXPECT_TRUE(a.episode.equal(b.episode));
  EXPECT_TRUE(a.actions.ids.equal(b.actions.ids));
}

TEST(ReplayBuffer, RefusesToBeSmallerThanABatch) {
  ReplayBuffer memory({.capacity = 2, .epochs = 1}, 1);
  EXPECT_THROW(memory.sample(3), std::invalid_argument);
}

TEST(ReplayBuffer, KeepsTheNewestInARingThatGrows) {
  ReplayBuffer memory({.capacity = 7}, 1);
  Trajectory all = make_batch(20, 1, 12, 1, false);
  for (const auto& [begin, end] : {std::pair{0, 3}, {3, 5}, {5, 11}, {11, 12}, {12, 20}}) {
    memory.add(all.select(torch::arange(begin, end)));
    std::vector<int64_t> seen(20);
    for (int i = 0; i < 100; ++i) {
      const Trajectory batch = *memory.sample(2);
      for (int64_t row = 0; row < 2; ++row) {
        const int64_t episode = batch.episode[row].item<int64_t>();
        seen[static_cast<size_t>(episode)] = 1;
        EXPECT_TRUE(batch.action[row].equal(all.action[episode]));
      }
    }
    for (int64_t e = 0; e < 20; ++e) {
      EXPECT_EQ(seen[static_cast<size_t>(e)], e < end && e >= end - 7) << e << " of " << end;
    }
  }
}

TEST(ReplayBuffer, PadsRowsToTheLongestThatWasDrawn) {
  for (const bool text : {false, true}) {
    ReplayBuffer memory({.capacity = 100}, 1);
    const Trajectory first = text ? make_text(4, 3, 1) : make_batch(4, 3, 30, 1, true);
    const Trajectory second = text ? make_text(6, 7, 2) : make_batch(6, 7, 30, 2, true);
    memory.add(second);
    memory.add(first);
    memory.add(second);
    for (int i = 0; i < 50; ++i) {
      const Trajectory batch = *memory.sample(2);
      EXPECT_EQ(batch.length(), batch.state_mask.sum(1).max().item<int64_t>());
      batch.validate();
    }
  }
}

TEST(ReplayBuffer, HoldsNoMoreBytesThanItMay) {
  for (const bool text : {false, true}) {
    const Trajectory batch = text ? make_text(6, 5, 1) : make_batch(6, 5, 30, 1, true);
    int64_t bytes = 0;
    for (const auto& [name, tensor] : batch.tensors()) {
      bytes += tensor.numel() * static_cast<int64_t>(tensor.element_size());
    }
    ReplayBuffer memory({.capacity_bytes = bytes}, 1);
    for (int i = 0; i < 3; ++i) memory.add(batch);
    EXPECT_GE(memory.size(), 6);
    EXPECT_LE(memory.size(), text ? 12 : 6);  // rows of text are cut to what they need
    EXPECT_TRUE(memory.sample(2).has_value());
  }
}

TEST(ReplayBuffer, MakesRoomWhereRowsBecomeWider) {
  ReplayBuffer memory({.capacity_bytes = 6000}, 1);
  for (uint64_t i = 0; i < 20; ++i) memory.add(make_batch(6, 1, 30, i, true));
  const int64_t before = memory.size();
  memory.add(make_batch(3, 5, 30, 1, true));
  EXPECT_LT(memory.size(), before);
  for (int i = 0; i < 20; ++i) memory.sample(4)->validate();
  State state;
  memory.save(state);
  const State columns = state.part("columns");
  int64_t bytes = 0;
  for (const auto& [name, tensor] : columns.tensors()) {
    bytes += tensor.numel() * static_cast<int64_t>(tensor.element_size());
  }
  EXPECT_LE(bytes, 6000);
}

TEST(ReplayBuffer, SaysWhenItsBytesAreTooFew) {
  for (const bool text : {false, true}) {
    const Trajectory batch = text ? make_text(6, 5, 1) : make_batch(6, 5, 30, 1, true);
    ReplayBuffer tiny({.capacity_bytes = 10}, 1);
    EXPECT_THROW(tiny.add(batch), std::invalid_argument);
    ReplayBuffer small({.capacity_bytes = 3000}, 1);
    for (int i = 0; i < 4; ++i) small.add(batch);
    EXPECT_THROW(small.sample(64), std::invalid_argument);
  }
}

TEST(ReplayBuffer, WaitsUntilItIsWarm) {
  ReplayBuffer memory({.capacity = 10, .warm_up = 6}, 1);
  memory.add(make_batch(5, 2, 12, 1, false));
  EXPECT_FALSE(memory.sample(2).has_value());
  memory.add(make_batch(1, 2, 12, 1, false));
  EXPECT_TRUE(memory.sample(2).has_value());
}

TEST(ReplayBuffer, CutsEpisodesIntoSteps) {
  const Trajectory batch = make_batch(5, 4, 12, 1, false);
  ReplayBuffer memory({.capacity = 100, .n_step = 2, .gamma = 0.9}, 1);
  memory.add(batch);
  EXPECT_EQ(memory.size(), batch.mask.sum().item<int64_t>());
  EXPECT_TRUE(memory.sample(3)->mask.sum(1).equal(torch::ones({3}, torch::kInt64)));
}

TEST(ReplayBuffer, DrawsByPriorityAndTakesErrorsBack) {
  ReplayBuffer memory({.capacity = 8, .priorities = PriorityOptions{.alpha = 1}}, 1);
  memory.add(make_batch(8, 1, 12, 1, false));
  Trajectory batch = *memory.sample(8);
  EXPECT_TRUE(batch.importance.equal(torch::ones({8})));
  EXPECT_TRUE(batch.memory_row.equal(batch.episode));
  // Whatever is not row 3 is nearly never drawn again.
  for (int i = 0; i < 20; ++i) {
    memory.update(batch, (batch.memory_row == 3).to(torch::kFloat32));
    batch = *memory.sample(8);
  }
  EXPECT_TRUE((batch.memory_row == 3).all().item<bool>());
  EXPECT_LT(batch.importance.max().item<double>(), 0.1);
}

// Everything that a memory may hold, stopped and resumed: the draws are those that would have been.
TEST(ReplayBuffer, ResumesToTheSameDrawsWhateverItHolds) {
  const std::vector<ReplayOptions> kinds = {
      {.capacity = 9},
      {.capacity_bytes = 9000},
      {.capacity = 9, .n_step = 2, .gamma = 0.9},
      {.capacity = 9, .priorities = PriorityOptions{}},
      {.epochs = 3},
  };
  for (const bool text : {false, true}) {
    for (const ReplayOptions& options : kinds) {
      if (text && options.n_step > 0) continue;
      ReplayBuffer memory(options, 1), other(options, 1);
      const auto batch = [&](uint64_t seed) {
        return text ? make_text(6, 5, seed) : make_batch(6, 5, 30, seed, true);
      };
      const auto learn = [&](ReplayBuffer& from) {
        const Trajectory drawn = *from.sample(4, 0.3);
        from.update(drawn, drawn.action.select(1, 0).to(torch::kFloat32));
        return drawn;
      };
      memory.add(batch(1));
      learn(memory);
      memory.add(batch(2));
      learn(memory);
      State state;
      memory.save(state);
      other.load(state, nullptr);
      for (int i = 0; i < 3; ++i) expect_same(learn(memory), learn(other));
      memory.add(batch(3));
      other.add(batch(3));
      for (int i = 0; i < 3; ++i) expect_same(learn(memory), learn(other));
    }
  }
}

// Row e holds the action e % 12 throughout; a torn row would not.
TEST(ReplayBuffer, IsReadByManyWhileOneWrites) {
  ReplayBuffer memory({.capacity = 50, .priorities = PriorityOptions{}}, 1);
  const auto rows_from = [](int64_t first) {
    Trajectory t = make_batch(10, 6, 12, 1, false);
    t.episode = torch::arange(first, first + 10);
    t.action = t.episode.remainder(12).unsqueeze(1).repeat({1, 6});
    return t;
  };
  memory.add(rows_from(0));
  std::atomic<int64_t> torn = 0;
  const auto read = [&] {
    for (int i = 0; i < 200; ++i) {
      const Trajectory batch = *memory.sample(8);
      torn += batch.action.ne(batch.episode.remainder(12).unsqueeze(1)).sum().item<int64_t>();
      memory.update(batch, torch::rand({8}));
    }
  };
  std::thread first(read), second(read), third(read);
  for (int64_t i = 1; i <= 200; ++i) memory.add(rows_from(10 * i));
  first.join();
  second.join();
  third.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(memory.size(), 50);
}

TEST(ReplayBuffer, ForgetsWhatWasCollectedOnPolicy) {
  ReplayBuffer memory({.epochs = 4}, 1), replay({.capacity = 9}, 1);
  memory.add(make_batch(6, 2, 12, 1, false));
  replay.add(make_batch(6, 2, 12, 1, false));
  memory.sample(2);
  memory.forget();
  replay.forget();
  EXPECT_EQ(memory.size(), 0);
  EXPECT_EQ(replay.size(), 6);
}

TEST(ReplayBuffer, RefusesOptionsOutOfRange) {
  const std::vector<ReplayOptions> wrong = {
      {.capacity = -1}, {.epochs = 0},  {.capacity_bytes = -1},
      {.warm_up = -1},  {.n_step = -1}, {.priorities = PriorityOptions{}}};
  for (const ReplayOptions& options : wrong) {
    EXPECT_THROW(ReplayBuffer(options, 1), std::invalid_argument);
  }
  ReplayBuffer cold({.capacity = 10, .warm_up = 20}, 1);
  EXPECT_THROW(cold.sample(2), std::invalid_argument);
}

TEST(ReplayBuffer, RefusesRowsThatLackWhatTheOthersHave) {
  ReplayBuffer memory({.capacity = 10}, 1);
  const Trajectory batch = make_batch(2, 2, 12, 1, false);
  memory.add(batch);
  EXPECT_THROW(memory.add(batch.with_note("advantage", batch.reward)), std::invalid_argument);
}

}  // namespace
}  // namespace rl

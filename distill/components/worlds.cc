#include "distill/components/worlds.h"

#include "envs/classic/cart_pole.h"
#include "envs/classic/chain.h"

namespace distill {
namespace {

using World = std::unique_ptr<rl::Environment>;

World make_cart_pole(const Options& options, uint64_t seed, bool restarts) {
  envs::CartPoleOptions found{.seed = seed, .restarts = restarts};
  bind(options, {{"max_episode_steps", &found.max_episode_steps}});
  return std::make_unique<envs::CartPole>(found);
}

World make_chain(const Options& options, uint64_t, bool restarts) {
  envs::ChainOptions found{.restarts = restarts};
  bind(options, {{"length", &found.length},
                 {"small_reward", &found.small_reward},
                 {"max_episode_steps", &found.max_episode_steps}});
  return std::make_unique<envs::Chain>(found);
}

struct WorldEntry {
  const char* name;
  World (*make)(const Options&, uint64_t seed, bool restarts);
};

constexpr WorldEntry kWorlds[] = {
    {"cart_pole", make_cart_pole},
    {"chain", make_chain},
};

}  // namespace

std::vector<std::string> world_names() {
  std::vector<std::string> names;
  for (const WorldEntry& entry : kWorlds) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<rl::Environment> make_world(const ComponentSpec& spec, uint64_t seed,
                                            bool restarts) {
  for (const WorldEntry& entry : kWorlds) {
    if (spec.name != entry.name) continue;
    try {
      return entry.make(spec.options, seed, restarts);
    } catch (const std::invalid_argument& error) {
      throw error_at(spec.options.mark, "world " + spec.name + ": " + error.what());
    }
  }
  throw error_at(spec.options.mark, unknown("world", spec.name, world_names()));
}

}  // namespace distill

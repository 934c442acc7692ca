#include "distill/components/worlds.h"

#include "envs/classic/acrobot.h"
#include "envs/classic/bandit.h"
#include "envs/classic/cart_pole.h"
#include "envs/classic/chain.h"
#include "envs/classic/grid.h"
#include "envs/classic/mountain_car.h"
#include "envs/graph_file.h"
#include "envs/graph_world.h"

namespace distill {
namespace {

using World = std::unique_ptr<rl::Environment>;

// The worlds of Gymnasium have one option.
template <class Environment, class EnvironmentOptions>
World make_classic(const Options& options, const WorldRole& role) {
  EnvironmentOptions found{.seed = role.seed, .restarts = role.restarts, .threads = role.threads};
  bind(options, {{"max_episode_steps", &found.max_episode_steps}});
  return std::make_unique<Environment>(found);
}

World make_bandit(const Options& options, const WorldRole& role) {
  envs::BanditOptions found{.mean_rewards = {0, 1},
                            .seed = role.seed,
                            .restarts = role.restarts,
                            .threads = role.threads};
  bind(options, {{"mean_rewards", &found.mean_rewards}, {"noise", &found.noise}});
  return std::make_unique<envs::Bandit>(found);
}

World make_chain(const Options& options, const WorldRole& role) {
  envs::ChainOptions found{.restarts = role.restarts, .threads = role.threads};
  bind(options, {{"length", &found.length},
                 {"small_reward", &found.small_reward},
                 {"max_episode_steps", &found.max_episode_steps}});
  return std::make_unique<envs::Chain>(found);
}

World graph_world(const envs::DecisionProcess& process, int64_t max_episode_steps,
                  const WorldRole& role) {
  return std::make_unique<envs::GraphWorld>(
      process, envs::GraphWorldOptions{.seed = role.seed,
                                       .max_episode_steps = max_episode_steps,
                                       .restarts = role.restarts,
                                       .threads = role.threads});
}

World make_graph(const Options& options, const WorldRole& role) {
  std::string file;
  int64_t max_episode_steps = 100;
  bind(options, {{"file", &file}, {"max_episode_steps", &max_episode_steps}});
  require(!file.empty(), options, "file: a table, a GraphViz or a GraphML file");
  return graph_world(envs::read_decision_process(file), max_episode_steps, role);
}

World make_grid(const Options& options, const WorldRole& role) {
  envs::GridOptions found;
  int64_t max_episode_steps = 100;
  bind(options, {{"map", &found.map},
                 {"slippery", &found.slippery},
                 {"step_reward", &found.step_reward},
                 {"max_episode_steps", &max_episode_steps}});
  return graph_world(envs::grid(found), max_episode_steps, role);
}

struct WorldEntry {
  const char* name;
  World (*make)(const Options&, const WorldRole&);
};

constexpr WorldEntry kWorlds[] = {
    {"acrobot", make_classic<envs::Acrobot, envs::AcrobotOptions>},
    {"bandit", make_bandit},
    {"cart_pole", make_classic<envs::CartPole, envs::CartPoleOptions>},
    {"chain", make_chain},
    {"graph", make_graph},
    {"grid", make_grid},
    {"mountain_car", make_classic<envs::MountainCar, envs::MountainCarOptions>},
};

}  // namespace

std::vector<std::string> world_names() {
  std::vector<std::string> names;
  for (const WorldEntry& entry : kWorlds) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<rl::Environment> make_world(const ComponentSpec& spec, const WorldRole& role) {
  for (const WorldEntry& entry : kWorlds) {
    if (spec.name != entry.name) continue;
    try {
      return entry.make(spec.options, role);
    } catch (const std::invalid_argument& error) {
      throw error_at(spec.options.mark, "world " + spec.name + ": " + error.what());
    }
  }
  throw error_at(spec.options.mark, unknown("world", spec.name, world_names()));
}

}  // namespace distill

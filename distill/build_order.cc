#include "distill/build_order.h"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/depth_first_search.hpp>
#include <boost/graph/topological_sort.hpp>
#include <iterator>

namespace distill {
namespace {

// An edge leads from a stage to one that it needs.
using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;
using Vertex = boost::graph_traits<Graph>::vertex_descriptor;
using Edge = boost::graph_traits<Graph>::edge_descriptor;

// Follows the path of the search; an edge back into it closes a cycle.
class CycleFinder : public boost::default_dfs_visitor {
 public:
  explicit CycleFinder(std::vector<Vertex>* cycle) : cycle_(cycle) {}

  void discover_vertex(Vertex vertex, const Graph&) { path_.push_back(vertex); }
  void finish_vertex(Vertex, const Graph&) { path_.pop_back(); }
  void back_edge(Edge edge, const Graph& graph) {
    if (!cycle_->empty()) return;
    const auto start = std::find(path_.begin(), path_.end(), boost::target(edge, graph));
    cycle_->assign(start, path_.end());
  }

 private:
  std::vector<Vertex> path_;
  std::vector<Vertex>* cycle_;
};

Graph graph_of(const std::vector<Need>& stages) {
  std::vector<std::string> names;
  for (const Need& stage : stages) names.push_back(stage.name);
  Graph graph(stages.size());
  for (Vertex from = 0; from < stages.size(); ++from) {
    for (const std::string& need : stages[from].needs) {
      const auto found = std::find(names.begin(), names.end(), need);
      if (found == names.end()) {
        throw error_at(stages[from].mark, "stage \"" + stages[from].name + "\" needs " +
                                              unknown("stage", need, names));
      }
      boost::add_edge(from, static_cast<Vertex>(found - names.begin()), graph);
    }
  }
  return graph;
}

}  // namespace

std::vector<std::string> build_order(const std::vector<Need>& stages) {
  const Graph graph = graph_of(stages);
  std::vector<Vertex> cycle;
  boost::depth_first_search(graph, boost::visitor(CycleFinder(&cycle)));
  if (!cycle.empty()) {
    std::string members;
    for (const Vertex vertex : cycle) members += stages[vertex].name + " -> ";
    throw error_at(stages[cycle.front()].mark,
                   "stages need each other: " + members + stages[cycle.front()].name);
  }
  // What is needed comes out first; the search starts from the stages in the order given.
  std::vector<Vertex> order;
  boost::topological_sort(graph, std::back_inserter(order));
  std::vector<std::string> names;
  for (const Vertex vertex : order) names.push_back(stages[vertex].name);
  return names;
}

}  // namespace distill

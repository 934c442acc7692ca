#include "envs/graph_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/graph/graphml.hpp>
#include <boost/graph/graphviz.hpp>
#include <charconv>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace envs {
namespace {

/// What a file says of a state or a transition, as text.
using Fields = std::map<std::string, std::string>;
struct Record {
  Fields fields;
  std::string place;
};

/// What all formats are brought to. States are `name`d; transitions say `from` and `to`.
struct Table {
  std::string path;
  std::vector<std::string> actions;  // empty: not said
  std::vector<Record> states, transitions;
};

[[noreturn]] void refuse(const std::string& place, const std::string& message) {
  throw std::invalid_argument(place + ": " + message);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void check_known(const std::string& what, const std::string& name, const std::string& place,
                 const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  refuse(place, "unknown " + what + " \"" + name + "\"; known: " + joined(known));
}

void check_keys(const Record& record, const std::vector<std::string>& known) {
  for (const auto& [key, value] : record.fields) check_known("key", key, record.place, known);
}

std::string text_at(const Record& record, const std::string& key) {
  const auto found = record.fields.find(key);
  if (found == record.fields.end()) refuse(record.place, "needs \"" + key + "\"");
  return found->second;
}

double number_at(const Record& record, const std::string& key, double otherwise) {
  const auto found = record.fields.find(key);
  if (found == record.fields.end()) return otherwise;
  const std::string& text = found->second;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(record.place, key + ": expected a number, found \"" + text + "\"");
  }
  return value;
}

bool truth_at(const Record& record, const std::string& key) {
  const auto found = record.fields.find(key);
  if (found == record.fields.end()) return false;
  if (found->second == "true" || found->second == "1") return true;
  if (found->second == "false" || found->second == "0") return false;
  refuse(record.place, key + ": expected true or false, found \"" + found->second + "\"");
}

/// Makes the graph of a table.
class Builder {
 public:
  explicit Builder(const Table& table) {
    process_.source = table.path;
    process_.actions = table.actions.empty() ? actions_in(table) : table.actions;
    for (const Record& state : table.states) add_state(state);
    for (const Record& transition : table.transitions) add_transition(transition);
    validate(process_);
  }

  const DecisionProcess& process() const { return process_; }

 private:
  void add_state(const Record& record) {
    check_keys(record, {"name", "terminal", "start"});
    const std::string name = text_at(record, "name");
    if (states_.count(name) > 0) refuse(record.place, "state \"" + name + "\" occurs twice");
    states_[name] = boost::add_vertex(
        StateNode{name, truth_at(record, "terminal"), number_at(record, "start", 0), record.place},
        process_.graph);
  }

  void add_transition(const Record& record) {
    check_keys(record, {"from", "action", "to", "probability", "reward"});
    const size_t from = state(text_at(record, "from"), record.place);
    const size_t to = state(text_at(record, "to"), record.place);
    boost::add_edge(from, to,
                    OutcomeEdge{action(text_at(record, "action"), record.place),
                                number_at(record, "probability", 1), number_at(record, "reward", 0),
                                record.place},
                    process_.graph);
  }

  size_t state(const std::string& name, const std::string& place) {
    const auto [found, is_new] = states_.try_emplace(name, 0);
    if (is_new) found->second = boost::add_vertex(StateNode{name, false, 0, place}, process_.graph);
    return found->second;
  }

  int64_t action(const std::string& name, const std::string& place) const {
    const std::vector<std::string>& actions = process_.actions;
    check_known("action", name, place, actions);
    return std::find(actions.begin(), actions.end(), name) - actions.begin();
  }

  static std::vector<std::string> actions_in(const Table& table) {
    std::set<std::string> names;
    for (const Record& transition : table.transitions) names.insert(text_at(transition, "action"));
    return {names.begin(), names.end()};
  }

  DecisionProcess process_;
  std::map<std::string, size_t> states_;
};

class YamlReader {
 public:
  YamlReader(std::istream& file, const std::string& path) : table_{path, {}, {}, {}} {
    const YAML::Node root = YAML::Load(file);
    each(root, [&](const std::string& key, const YAML::Node& value, const std::string& place) {
      if (key == "actions") {
        for (const YAML::Node& name : list(value)) table_.actions.push_back(scalar(name));
      } else if (key == "states") {
        each(value, [&](const std::string& name, const YAML::Node& state, const std::string& at) {
          table_.states.push_back(record(state, at));
          table_.states.back().fields["name"] = name;
        });
      } else if (key == "transitions") {
        for (const YAML::Node& row : list(value)) {
          table_.transitions.push_back(record(row, place_of(row)));
        }
      } else {
        check_known("key", key, place, {"actions", "states", "transitions"});
      }
    });
    if (table_.transitions.empty()) refuse(path, "needs transitions");
  }

  const Table& table() const { return table_; }

 private:
  using OnEntry = std::function<void(const std::string& key, const YAML::Node& value,
                                     const std::string& place)>;

  std::string place_of(const YAML::Node& node) const {
    return table_.path + ":" + std::to_string(node.Mark().line + 1);
  }

  void each(const YAML::Node& node, const OnEntry& f) const {
    if (node.IsNull()) return;
    if (!node.IsMap()) refuse(place_of(node), "expected a map (key: value)");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = scalar(entry.first), place = place_of(entry.first);
      if (!seen.insert(key).second) refuse(place, "key \"" + key + "\" occurs twice");
      f(key, entry.second, place);
    }
  }

  YAML::Node list(const YAML::Node& node) const {
    if (!node.IsSequence()) refuse(place_of(node), "expected a list");
    return node;
  }

  std::string scalar(const YAML::Node& node) const {
    if (!node.IsScalar()) refuse(place_of(node), "expected a word or a number");
    return node.Scalar();
  }

  Record record(const YAML::Node& node, const std::string& place) const {
    Record result{{}, place};
    each(node, [&](const std::string& key, const YAML::Node& value, const std::string&) {
      result.fields[key] = scalar(value);
    });
    return result;
  }

  Table table_;
};

// GraphViz and GraphML are read by Boost.Graph.
using TextGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, Fields, Fields>;
using Vertex = TextGraph::vertex_descriptor;
using Edge = TextGraph::edge_descriptor;

/// Takes down one attribute of states (Key = Vertex) or transitions (Key = Edge) as text, of whatever type
/// the file says it is.
template <typename Key>
class Notes : public boost::dynamic_property_map {
 public:
  Notes(TextGraph* graph, std::string name) : graph_(graph), name_(std::move(name)) {}

  void put(const boost::any& key, const boost::any& value) override {
    (*graph_)[boost::any_cast<Key>(key)][name_] = text_of(value);
  }
  boost::any get(const boost::any& key) override { return get_string(key); }
  std::string get_string(const boost::any& key) override {
    return (*graph_)[boost::any_cast<Key>(key)][name_];
  }
  const std::type_info& key() const override { return typeid(Key); }
  const std::type_info& value() const override { return typeid(std::string); }

 private:
  static std::string text_of(const boost::any& value) {
    if (const auto* text = boost::any_cast<std::string>(&value)) return *text;
    std::ostringstream out;
    out.precision(std::numeric_limits<double>::max_digits10);
    if (const auto* x = boost::any_cast<bool>(&value)) out << *x;
    if (const auto* x = boost::any_cast<int>(&value)) out << *x;
    if (const auto* x = boost::any_cast<long>(&value)) out << *x;
    if (const auto* x = boost::any_cast<float>(&value)) out << *x;
    if (const auto* x = boost::any_cast<double>(&value)) out << *x;
    return out.str();
  }

  TextGraph* graph_;
  std::string name_;
};

Table table_of(const TextGraph& graph, const std::string& path) {
  Table table{path, {}, {}, {}};
  const auto name_of = [&](Vertex v) {
    const auto name = graph[v].find("name");
    return name == graph[v].end() ? std::to_string(v) : name->second;
  };
  for (const Vertex v : boost::make_iterator_range(boost::vertices(graph))) {
    table.states.push_back({graph[v], path + ": state \"" + name_of(v) + "\""});
    table.states.back().fields["name"] = name_of(v);
  }
  for (const Edge e : boost::make_iterator_range(boost::edges(graph))) {
    const std::string from = name_of(boost::source(e, graph)),
                      to = name_of(boost::target(e, graph));
    table.transitions.push_back({graph[e], path + ": edge " + from + " -> " + to});
    table.transitions.back().fields.insert({{"from", from}, {"to", to}});
  }
  return table;
}

Table read_graph(std::istream& file, const std::string& path, bool is_graphml) {
  TextGraph graph;
  boost::dynamic_properties notes(
      [&](const std::string& name, const boost::any& key, const boost::any&) {
        boost::shared_ptr<boost::dynamic_property_map> result;
        const std::vector<std::string> drawing = {"label", "shape", "color", "style", "pos"};
        if (std::find(drawing.begin(), drawing.end(), name) != drawing.end()) return result;
        if (key.type() == typeid(Vertex)) result = boost::make_shared<Notes<Vertex>>(&graph, name);
        if (key.type() == typeid(Edge)) result = boost::make_shared<Notes<Edge>>(&graph, name);
        return result;
      });
  if (is_graphml) {
    boost::read_graphml(file, graph, notes);
  } else {
    boost::read_graphviz(file, graph, notes, "name");
  }
  return table_of(graph, path);
}

Table read_table(std::istream& file, const std::string& path) try {
  const std::string ending = path.substr(std::min(path.size(), path.rfind('.')));
  if (ending == ".yaml" || ending == ".yml") return YamlReader(file, path).table();
  if (ending == ".graphml") return read_graph(file, path, /*is_graphml=*/true);
  if (ending == ".dot" || ending == ".gv") return read_graph(file, path, /*is_graphml=*/false);
  refuse(path, "expected a file that ends in .yaml, .dot or .graphml");
} catch (const YAML::Exception& error) {
  refuse(path + ":" + std::to_string(error.mark.line + 1), error.msg);
} catch (const std::invalid_argument&) {
  throw;
} catch (const std::exception& error) {
  refuse(path, error.what());
}

}  // namespace

DecisionProcess read_decision_process(const std::string& path) {
  std::ifstream file(path);
  if (!file.is_open() || file.peek() == std::ifstream::traits_type::eof()) {
    refuse(path, "cannot be opened, or is empty");
  }
  return Builder(read_table(file, path)).process();
}

}  // namespace envs

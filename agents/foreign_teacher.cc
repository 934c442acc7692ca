#include "agents/foreign_teacher.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "envs/token/dataset_source.h"
#include "rl/check.h"
#include "rl/opinion.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

// The head's rows in the order of the union; what only the student has can never be said.
rl::Readout union_readout(const Decoder& decoder, const std::vector<int64_t>& matched,
                          double temperature) {
  std::vector<int64_t> order = matched;
  std::vector<bool> used(static_cast<size_t>(decoder->vocabulary_size()), false);
  for (const int64_t id : matched) {
    if (id >= 0) used[static_cast<size_t>(id)] = true;
  }
  for (size_t id = 0; id < used.size(); ++id) {
    if (!used[id]) order.push_back(static_cast<int64_t>(id));
  }
  const Tensor head = decoder->head_weight().detach();
  const Tensor rows = torch::tensor(order, torch::kInt64).to(head.device());
  const Tensor bias = torch::zeros({rows.size(0)}, head.options().dtype(torch::kFloat32))
                          .masked_fill(rows < 0, -std::numeric_limits<double>::infinity());
  return {head.index_select(0, rows.clamp_min(0)), bias, temperature};
}

// Row b as prompt and answer.
envs::Example example_of(const rl::Trajectory& t, int64_t b) {
  const auto ids = [](const Tensor& x) {
    const Tensor host = x.to(torch::kCPU).contiguous();
    return std::vector<int64_t>(host.data_ptr<int64_t>(), host.data_ptr<int64_t>() + host.numel());
  };
  const int64_t prompt = t.start[b].item<int64_t>() + 1;
  return {.prompt = ids(t.observation[b].narrow(0, 0, prompt)),
          .response = ids(t.action[b].masked_select(t.mask[b])),
          .ended = false,
          .where = "episode " + std::to_string(t.episode[b].item<int64_t>())};
}

// The places that are compared: the n-th tokens of both.
std::vector<envs::TokenGroup> by_position(const envs::Retokenized& row, int64_t tokens) {
  std::vector<envs::TokenGroup> groups;
  const int64_t count = std::min(tokens, static_cast<int64_t>(row.example.response.size()));
  for (int64_t n = 0; n < count; ++n) groups.push_back({n, 1, n, 1});
  return groups;
}

// What is noted down of the rows, on the host.
struct Notes {
  Tensor aligned, anchor, prior_scale, one_to_one, place;

  explicit Notes(const rl::Trajectory& t)
      : aligned(torch::zeros({t.size(), t.length()})),
        anchor(torch::full({t.size(), t.length()}, -1, torch::kInt64)),
        prior_scale(torch::zeros({t.size(), t.length()})),
        one_to_one(torch::zeros({t.size(), t.length()})),
        place(torch::zeros({t.size(), t.length()}, torch::kInt64)) {}
};

}  // namespace

ForeignTeacher::ForeignTeacher(Decoder decoder, std::shared_ptr<const envs::Tokenizer> own,
                               std::shared_ptr<const envs::Tokenizer> students,
                               const ForeignTeacherOptions& options)
    : decoder_(std::move(decoder)),
      own_(std::move(own)),
      students_(std::move(students)),
      options_(options),
      readout_(std::make_shared<rl::Readout>(
          union_readout(decoder_, envs::matched_ids(*students_, *own_), options.temperature))) {
  rl::require(options.temperature > 0, "the teacher's temperature must be > 0, found " +
                                           std::to_string(options.temperature));
}

std::vector<envs::Retokenized> ForeignTeacher::read(const rl::Trajectory& t) const {
  std::vector<envs::Retokenized> rows;
  for (int64_t b = 0; b < t.size(); ++b) {
    const envs::Example example = example_of(t, b);
    rows.push_back(envs::retokenize(example, *students_, *own_, decoder_->config().context));
    const auto tokens = static_cast<int64_t>(example.response.size());
    if (!options_.by_bytes) rows.back().groups = by_position(rows.back(), tokens);
    // An answer of no text is asked about its end, which nothing is compared with.
    if (rows.back().example.response.empty()) rows.back().example.response = {*own_->eos_id()};
  }
  return rows;
}

Tensor ForeignTeacher::log_probs(const HiddenStates& states, const rl::Trajectory& given) const {
  const rl::Trajectory answers = given.to(states.features.device());
  return rl::map_states({states.features, states.readout, {}}, answers, answers.mask,
                        [](const rl::Opinion& o) { return o.action_log_prob(); })
      .cpu();
}

rl::Trajectory ForeignTeacher::judged(const rl::Trajectory& t) const {
  torch::NoGradGuard no_grad;
  const std::vector<envs::Retokenized> rows = read(t);
  std::vector<envs::Example> examples;
  for (const envs::Retokenized& row : rows) examples.push_back(row.example);
  const rl::Trajectory answers = envs::trajectory_of(examples, t.episode);
  const HiddenStates states = hidden_states(decoder_, answers, options_.temperature);
  const Tensor said = log_probs(states, answers).to(torch::kFloat32);
  Notes notes(t);
  for (int64_t b = 0; b < t.size(); ++b) {
    const envs::Retokenized& row = rows[static_cast<size_t>(b)];
    const double tokens = t.mask[b].sum().item<double>();
    notes.one_to_one[b].fill_(row.one_to_one);
    for (const envs::TokenGroup& g : row.groups) {
      const int64_t anchor = options_.at_last ? g.first_a + g.count_a - 1 : g.first_a;
      const int64_t place = options_.at_last ? g.first_b + g.count_b - 1 : g.first_b;
      const Tensor own = said[b].narrow(0, g.first_b, g.count_b);
      notes.anchor[b].narrow(0, g.first_a, g.count_a).fill_(anchor);
      notes.aligned[b][anchor] = tokens / static_cast<double>(row.groups.size());
      notes.prior_scale[b][anchor] = own.sum() - said[b][place];
      notes.place[b][anchor] = place;
    }
  }
  const int64_t width = states.features.size(-1);
  const Tensor place = notes.place.to(states.features.device()).unsqueeze(-1);
  rl::Trajectory result =
      t.with({{}, {}, {}, states.features.gather(1, place.expand({-1, -1, width})), readout_});
  result.notes["aligned"] = notes.aligned;
  result.notes["anchor"] = notes.anchor;
  result.notes["prior_scale"] = notes.prior_scale;
  result.notes["one_to_one"] = notes.one_to_one;
  return result;
}

}  // namespace agents

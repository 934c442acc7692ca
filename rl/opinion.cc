#include "rl/opinion.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "rl/check.h"
#include "rl/ops/linear.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// Logits worked out at a time: 4 MB of float32, so that the passes of a loss stay in cache.
constexpr int64_t kChunkElements = int64_t{1} << 20;

// The states that are looked at, one row each.
struct Rows {
  Tensor index;     // int64[N] into the flattened [B, T]
  Tensor features;  // float[N, D]
  ActionSet actions;
  Tensor action;
  std::map<std::string, Tensor> notes;
};

Rows gather_rows(const PolicyOutput& policy, const Trajectory& trajectory, const Tensor& where) {
  const Tensor index = where.flatten().nonzero().squeeze(1);
  const auto pick = [&](const Tensor& x) { return x.flatten(0, 1).index_select(0, index); };
  Rows rows{
      index, pick(policy.features), trajectory.actions.map(pick), pick(trajectory.action), {}};
  for (const auto& [name, note] : trajectory.notes) rows.notes[name] = pick(note);
  return rows;
}

Tensor scatter_rows(const Tensor& values, const Tensor& index, const Trajectory& trajectory) {
  std::vector<int64_t> shape = values.sizes().vec();
  shape[0] = trajectory.size() * trajectory.length();
  const Tensor flat = torch::zeros(shape, values.options()).index_copy(0, index, values);
  return flat.unflatten(0, {trajectory.size(), trajectory.length()});
}

// States worked on at a time.
int64_t chunk_rows(const Rows& rows, const Readout& readout) {
  return std::max<int64_t>(1, kChunkElements / readout.action_count(rows.features));
}

template <typename F>
void for_each_chunk(const Rows& rows, const Readout& readout, F f) {
  const int64_t count = rows.features.size(0), step = chunk_rows(rows, readout);
  for (int64_t begin = 0; begin < count; begin += step) f(begin, std::min(step, count - begin));
}

Opinion opinion_of(const Rows& rows, const Tensor& logits, int64_t begin, int64_t count) {
  const auto cut = [&](const Tensor& x) { return x.narrow(0, begin, count); };
  std::map<std::string, Tensor> notes;
  for (const auto& [name, note] : rows.notes) notes[name] = cut(note);
  return {logits, rows.actions.map(cut).dense(), cut(rows.action), std::move(notes)};
}

// Where the gradient of the logits goes: features, weight and bias of the read-out.
class ReadoutGradient {
 public:
  ReadoutGradient(const Tensor& features, const Readout& readout)
      : readout_(readout), features_(torch::zeros_like(features)) {
    if (!readout.weight.defined()) return;
    in_type_ = ops::rounded_copy(readout.weight.detach(), features.scalar_type());
    if (readout.weight.requires_grad()) {
      weight_ = torch::zeros_like(readout.weight, torch::kFloat32);
    }
    if (readout.bias.defined()) bias_ = torch::zeros_like(readout.bias, torch::kFloat32);
  }

  void add(const Tensor& features, const Tensor& logits_gradient, int64_t begin) {
    Tensor gradient = logits_gradient;
    if (readout_.temperature != 1.0) gradient = gradient / readout_.temperature;
    Tensor out = features_.narrow(0, begin, features.size(0));
    if (!in_type_.defined()) {
      out.copy_(gradient);
      return;
    }
    const Tensor typed = gradient.to(features.scalar_type());
    ops::gemm(typed, false, in_type_, false, 0.0, out);
    if (weight_.defined()) ops::gemm(typed, true, features, false, 1.0, weight_);
    if (bias_.defined()) bias_.add_(gradient.sum(0));
  }

  torch::autograd::variable_list parts() const { return {features_, weight_, bias_}; }

 private:
  const Readout readout_;
  Tensor in_type_, features_, weight_, bias_;
};

struct Call {
  Rows rows;
  Readout readout;
  StateFunction f;
  Tensor weight;              // sum_states: float32[N]
  std::vector<double> scale;  // sum_states: one per column
};

// Value of `f` on one chunk, with the logits as a leaf of its graph.
struct Worked {
  Tensor logits;
  Tensor value;
};

Worked work(const Call& call, const Tensor& features, int64_t begin, int64_t count) {
  const Tensor chunk = features.narrow(0, begin, count);
  Tensor logits;
  {
    torch::NoGradGuard no_grad;
    logits = call.readout.logits(chunk).detach();
  }
  logits.requires_grad_(true);
  torch::AutoGradMode with_grad(true);
  return {logits, call.f(opinion_of(call.rows, logits, begin, count))};
}

Tensor column_scale(const Call& call, const Tensor& like) {
  return torch::tensor(call.scale, torch::kFloat64).to(like.options());
}

struct SumFunction : torch::autograd::Function<SumFunction> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const Tensor& features, const Tensor& weight,
                                                const Tensor& bias, std::shared_ptr<Call> call) {
    (void)weight;
    (void)bias;
    ReadoutGradient gradient(features, call->readout);
    std::vector<Tensor> values;
    Tensor total = torch::zeros({}, call->weight.options());
    for_each_chunk(call->rows, call->readout, [&](int64_t begin, int64_t count) {
      const Worked worked = work(*call, features, begin, count);
      torch::AutoGradMode with_grad(true);
      const Tensor weighted = (worked.value * column_scale(*call, worked.value)).sum(-1) *
                              call->weight.narrow(0, begin, count);
      const Tensor sum = weighted.sum();
      const Tensor slope = torch::autograd::grad({sum}, {worked.logits}, {}, /*retain_graph=*/{},
                                                 /*create_graph=*/false, /*allow_unused=*/true)[0];
      if (slope.defined()) gradient.add(features.narrow(0, begin, count), slope, begin);
      values.push_back(worked.value.detach());
      total += sum.detach();
    });
    context->save_for_backward(gradient.parts());
    const Tensor joined = torch::cat(values);
    context->mark_non_differentiable({joined});
    return {total, joined};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const auto parts = context->get_saved_variables();
    const auto times = [&](const Tensor& x) {
      return x.defined() ? x * upstream[0].to(x.scalar_type()) : x;
    };
    return {times(parts[0]), times(parts[1]), times(parts[2]), Tensor()};
  }
};

struct MapFunction : torch::autograd::Function<MapFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& features,
                        const Tensor& weight, const Tensor& bias, std::shared_ptr<Call> call) {
    (void)weight;
    (void)bias;
    std::vector<Tensor> values;
    for_each_chunk(call->rows, call->readout, [&](int64_t begin, int64_t count) {
      const Tensor logits = call->readout.logits(features.narrow(0, begin, count));
      values.push_back(call->f(opinion_of(call->rows, logits, begin, count)));
    });
    context->save_for_backward({features});
    context->saved_data["call"] = c10::IValue::make_capsule(make_holder(call));
    return torch::cat(values);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const Tensor features = context->get_saved_variables()[0];
    const Call& call = *static_cast<Holder&>(*context->saved_data["call"].toCapsule()).call;
    ReadoutGradient gradient(features, call.readout);
    for_each_chunk(call.rows, call.readout, [&](int64_t begin, int64_t count) {
      const Worked worked = work(call, features, begin, count);
      const Tensor slope =
          torch::autograd::grad({worked.value}, {worked.logits},
                                {upstream[0].narrow(0, begin, count)}, /*retain_graph=*/{},
                                /*create_graph=*/false, /*allow_unused=*/true)[0];
      if (slope.defined()) gradient.add(features.narrow(0, begin, count), slope, begin);
    });
    torch::autograd::variable_list parts = gradient.parts();
    parts.push_back(Tensor());
    return parts;
  }

 private:
  struct Holder : torch::CustomClassHolder {
    std::shared_ptr<Call> call;
  };
  static c10::intrusive_ptr<torch::CustomClassHolder> make_holder(std::shared_ptr<Call> call) {
    auto holder = c10::make_intrusive<Holder>();
    holder->call = std::move(call);
    return holder;
  }
};

// 0, with a gradient of nothing into the policy: what a sum over no states is.
Tensor empty_sum(const PolicyOutput& policy) {
  return policy.features.flatten().narrow(0, 0, 0).sum().to(torch::kFloat32);
}

bool wants_gradient(const PolicyOutput& policy) {
  return torch::GradMode::is_enabled() &&
         (policy.features.requires_grad() ||
          (policy.readout.weight.defined() && policy.readout.weight.requires_grad()));
}

// Without gradient: the values alone.
Tensor values_of(const Call& call) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> values;
  for_each_chunk(call.rows, call.readout, [&](int64_t begin, int64_t count) {
    const Tensor logits = call.readout.logits(call.rows.features.narrow(0, begin, count));
    values.push_back(call.f(opinion_of(call.rows, logits, begin, count)));
  });
  return torch::cat(values);
}

// LibTorch's functions take no undefined tensors.
Tensor or_empty(const Tensor& x, const Tensor& like) {
  return x.defined() ? x : torch::empty({0}, like.options());
}

const Tensor& remember(std::optional<Tensor>& slot, const std::function<Tensor()>& make) {
  if (!slot) slot = make();
  return *slot;
}

}  // namespace

Opinion::Opinion(Tensor logits, ActionSet actions, Tensor action,
                 std::map<std::string, Tensor> notes)
    : logits_(std::move(logits)),
      actions_(std::move(actions)),
      action_(std::move(action)),
      notes_(std::move(notes)) {}

const Tensor& Opinion::logits() const {
  if (actions_.is_full()) return logits_;
  return remember(set_logits_, [&] {
    const Tensor gathered = logits_.gather(-1, actions_.ids.clamp_min(0));
    return gathered.masked_fill(actions_.valid().logical_not(), kNothing);
  });
}

const Tensor& Opinion::log_normalizer() const {
  return remember(log_normalizer_, [&] { return logits_.logsumexp(-1); });
}

const Tensor& Opinion::log_probs() const {
  return remember(log_probs_, [&] {
    if (actions_.is_full()) return logits_.log_softmax(-1);
    return logits() - log_normalizer().unsqueeze(-1);
  });
}

const Tensor& Opinion::tail_log_prob() const {
  return remember(tail_, [&] {
    if (actions_.is_full()) return Tensor();
    // An empty slot removes the likeliest action once more, which is never outside.
    const Tensor removed =
        torch::where(actions_.valid(), actions_.ids, actions_.ids.narrow(-1, 0, 1));
    return logits_.scatter(-1, removed, kNothing).logsumexp(-1) - log_normalizer();
  });
}

const Tensor& Opinion::max_logit() const {
  return remember(max_, [&] { return std::get<0>(logits_.max(-1)); });
}

const Tensor& Opinion::action_logit() const {
  return remember(action_logit_,
                  [&] { return logits_.gather(-1, action_.unsqueeze(-1)).squeeze(-1); });
}

const Tensor& Opinion::action_log_prob() const {
  return remember(action_log_prob_, [&] {
    if (log_probs_ && actions_.is_full()) {
      return log_probs_->gather(-1, action_.unsqueeze(-1)).squeeze(-1);
    }
    return action_logit() - log_normalizer();
  });
}

Tensor Opinion::entropy() const {
  const Tensor log_q = logits_.log_softmax(-1);
  return -(log_q.exp() * log_q.masked_fill(log_q.isinf(), 0)).sum(-1);
}

const Tensor& Opinion::slot() const {
  return remember(slot_, [&] { return slot_of(actions_, action_); });
}

const Tensor* Opinion::note(const std::string& name) const {
  const auto found = notes_.find(name);
  return found == notes_.end() ? nullptr : &found->second;
}

Opinion Opinion::at_temperature(double temperature) const {
  return temperature == 1.0 ? *this : Opinion(logits_ / temperature, actions_, action_, notes_);
}

Tensor map_states(const PolicyOutput& policy, const Trajectory& trajectory, const Tensor& where,
                  const StateFunction& f, int64_t columns) {
  auto call = std::make_shared<Call>(
      Call{gather_rows(policy, trajectory, where), policy.readout, f, Tensor(), {}});
  if (call->rows.index.size(0) == 0) {
    std::vector<int64_t> shape = {trajectory.size(), trajectory.length()};
    if (columns > 0) shape.push_back(columns);
    return empty_sum(policy).expand(shape);
  }
  const Tensor values =
      wants_gradient(policy)
          ? MapFunction::apply(call->rows.features,
                               or_empty(policy.readout.weight, policy.features),
                               or_empty(policy.readout.bias, policy.features), call)
          : values_of(*call);
  return scatter_rows(values, call->rows.index, trajectory);
}

StateSum sum_states(const PolicyOutput& policy, const Trajectory& trajectory, const Tensor& weight,
                    const std::vector<double>& scale, const StateFunction& f) {
  expect_shape(weight, {trajectory.size(), trajectory.length()}, "weight");
  auto call = std::make_shared<Call>(
      Call{gather_rows(policy, trajectory, weight != 0), policy.readout, f, Tensor(), scale});
  if (call->rows.index.size(0) == 0) {
    const Tensor values =
        torch::zeros({trajectory.size(), trajectory.length(), static_cast<int64_t>(scale.size())},
                     weight.options());
    return {empty_sum(policy), values};
  }
  call->weight = weight.flatten().index_select(0, call->rows.index);
  if (wants_gradient(policy)) {
    const auto result =
        SumFunction::apply(call->rows.features, or_empty(policy.readout.weight, policy.features),
                           or_empty(policy.readout.bias, policy.features), call);
    return {result[0], scatter_rows(result[1], call->rows.index, trajectory)};
  }
  const Tensor values = values_of(*call);
  const Tensor total = ((values * column_scale(*call, values)).sum(-1) * call->weight).sum();
  return {total, scatter_rows(values, call->rows.index, trajectory)};
}

}  // namespace rl

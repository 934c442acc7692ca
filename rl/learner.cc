#include "rl/learner.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "rl/batching.h"
#include "rl/check.h"
#include "rl/torch.h"

namespace rl {
namespace {

std::vector<Tensor> tensors_of(const NamedTensors& named) {
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : named) tensors.push_back(tensor);
  return tensors;
}

void add_into(Tensor& sum, const Tensor& value) {
  if (!value.defined()) return;
  sum = sum.defined() ? sum.add_(value) : value;
}

void merge(PartMetrics& into, const PartMetrics& from) {
  for (const auto& [name, value] : from.sums) {
    Tensor& sum = into.sums[name];
    sum = sum.defined() ? sum + value : value.detach();
  }
  for (const auto& [name, value] : from.maxima) {
    Tensor& largest = into.maxima[name];
    largest = largest.defined() ? torch::maximum(largest, value) : value.detach();
  }
}

}  // namespace

Learner::Learner(std::shared_ptr<PolicyModel> model, std::vector<Objective> objectives,
                 LearnerOptions options)
    : model_(std::move(model)),
      objectives_(std::move(objectives)),
      options_(std::move(options)),
      parameters_(model_->parameters()),
      optimizer_(tensors_of(parameters_), options_.optimizer) {
  require(!parameters_.empty(), options_.name + ": the policy has nothing to learn");
  require(!objectives_.empty(), options_.name + ": a learner needs at least one objective");
  require(options_.micro_batch_tokens >= 1, "micro_batch_tokens must be at least 1");
  const bool wanted = std::any_of(objectives_.begin(), objectives_.end(),
                                  [](const Objective& o) { return o.loss->needs_target(); });
  if (wanted) target_ = model_->clone();
  clear();
}

Trajectory Learner::prepare(const Trajectory& batch) const {
  const bool wanted = std::any_of(objectives_.begin(), objectives_.end(),
                                  [](const Objective& o) { return o.loss->prepares(); });
  if (!wanted) return batch;
  // An objective of some of the rows adds notes; the others' steps remain to be learned.
  const auto apply = [&](const Trajectory& from, const Objective& objective, const auto& change) {
    if (objective.rows == Rows::kAll) return change(from);
    Trajectory result = from;
    result.notes = change(restricted(from, objective)).notes;
    return result;
  };
  Trajectory prepared =
      map_parts(batch, options_.micro_batch_tokens, options_.threads, [&](const Trajectory& part) {
        torch::NoGradGuard no_grad;
        Trajectory result = part;
        for (const Objective& objective : objectives_) {
          result = apply(result, objective, [&](const Trajectory& t) {
            return objective.loss->prepare(t, *model_, objective.reward);
          });
        }
        return result;
      });
  for (const Objective& objective : objectives_) {
    prepared = apply(prepared, objective,
                     [&](const Trajectory& t) { return objective.loss->complete(t); });
  }
  return prepared;
}

Trajectory Learner::restricted(const Trajectory& batch, const Objective& objective) const {
  if (objective.rows == Rows::kAll) return batch;
  require(batch.second.defined(), options_.name + ", objective " + objective.name +
                                      ": learns from one source of a mixture, found no mixture");
  const Tensor rows = objective.rows == Rows::kSecond ? batch.second : batch.second.logical_not();
  Trajectory result = batch;
  result.mask = batch.mask.logical_and(rows.unsqueeze(1));
  return result;
}

std::vector<Tensor> Learner::shares(const Trajectory& batch) const {
  std::vector<Tensor> result;
  const Tensor all = weight_of(batch).sum();
  for (const Objective& objective : objectives_) {
    const Tensor own =
        objective.rows == Rows::kAll ? all : weight_of(restricted(batch, objective)).sum();
    result.push_back(all / own.clamp_min(1e-12));
  }
  return result;
}

Tensor Learner::weight_of(const Trajectory& batch) const {
  const Tensor mask = batch.mask.to(torch::kFloat32);
  if (options_.average == Average::kSteps) return mask;
  return mask / mask.sum(1, /*keepdim=*/true).clamp_min(1);
}

Tensor Learner::accumulate(const Trajectory& batch) {
  const std::vector<Tensor> parts =
      cut_by_tokens(batch, options_.micro_batch_tokens, options_.threads.shards);
  const int64_t shards =
      std::min<int64_t>(std::max(1, options_.threads.shards), static_cast<int64_t>(parts.size()));
  std::vector<Sums> sums(static_cast<size_t>(shards));
  std::vector<Tensor> errors(parts.size());
  const std::vector<Tensor> share = shares(batch);
  run_parallel(options_.threads, shards, [&](int64_t shard) {
    for (size_t i = static_cast<size_t>(shard); i < parts.size();
         i += static_cast<size_t>(shards)) {
      errors[i] = add_part(batch.select(parts[i]), share, sums[static_cast<size_t>(shard)]);
    }
  });
  for (const Sums& part : sums) add_sums(total_, part);
  weight_ = weight_ + weight_of(batch).sum().to(torch::kFloat64);
  count_ = count_ + batch.mask.sum();
  if (!errors.front().defined()) return {};
  return torch::cat(errors).index_select(0, torch::cat(parts).argsort());
}

Tensor Learner::add_part(const Trajectory& given, const std::vector<Tensor>& shares,
                         Sums& sums) const {
  Trajectory part = given;
  if (options_.judge) {
    torch::NoGradGuard no_grad;
    part = options_.judge->judged(part);
  }
  const PolicyOutput online = model_->evaluate(part);
  PolicyOutput target;
  if (target_) {
    torch::NoGradGuard no_grad;
    target = target_->evaluate(part);
  }
  sums.losses.resize(objectives_.size());
  Tensor total, errors;
  for (size_t i = 0; i < objectives_.size(); ++i) {
    const Objective& objective = objectives_[i];
    const Trajectory seen = restricted(part, objective);
    Tensor weight = weight_of(seen) * shares[i];
    if (part.importance.defined()) weight = weight * part.importance.unsqueeze(1);
    const LossOutput out =
        (*objective.loss)({seen, online, target_ ? &target : nullptr, objective.reward, weight});
    const Tensor weighted = objective.weight * out.loss;
    total = total.defined() ? total + weighted : weighted;
    add_into(sums.losses[i], out.loss.detach().clone());
    merge(sums.metrics, out.metrics);
    if (out.errors.defined()) add_into(errors, out.errors.abs());
  }
  const std::vector<Tensor> gradients = torch::autograd::grad(
      {total}, tensors_of(parameters_), {}, /*retain_graph=*/{}, /*create_graph=*/false,
      /*allow_unused=*/true);
  sums.gradients.resize(gradients.size());
  for (size_t i = 0; i < gradients.size(); ++i) add_into(sums.gradients[i], gradients[i]);
  return errors.defined() ? errors.sum(1) / part.step_counts().clamp_min(1) : errors;
}

void Learner::add_sums(Sums& into, const Sums& from) const {
  into.losses.resize(objectives_.size());
  into.gradients.resize(parameters_.size());
  for (size_t i = 0; i < from.losses.size(); ++i) add_into(into.losses[i], from.losses[i]);
  for (size_t i = 0; i < from.gradients.size(); ++i) add_into(into.gradients[i], from.gradients[i]);
  merge(into.metrics, from.metrics);
}

std::vector<Tensor> Learner::gradients() const {
  std::vector<Tensor> result;
  for (const Tensor& gradient : total_.gradients) {
    result.push_back(gradient.defined() ? gradient / weight_.to(torch::kFloat32) : gradient);
  }
  return result;
}

Metrics Learner::step(double progress) {
  torch::NoGradGuard no_grad;
  require(!total_.losses.empty(), options_.name + ": step without a batch");
  const Tensor weight = weight_.clamp_min(1e-12).to(torch::kFloat32);
  Tensor squares = torch::zeros({}, torch::kFloat64).to(weight.device());
  for (const Tensor& gradient : total_.gradients) {
    if (gradient.defined()) squares += gradient.norm().to(torch::kFloat64).square();
  }
  // Everything the host wants to know, brought over at once.
  std::vector<Tensor> numbers = {count_, squares.sqrt() / weight};
  for (const Tensor& loss : total_.losses) numbers.push_back(loss / weight);
  for (const auto& [name, sum] : total_.metrics.sums) numbers.push_back(sum / weight);
  for (const auto& [name, largest] : total_.metrics.maxima) numbers.push_back(largest);
  for (Tensor& number : numbers) number = number.to(torch::kFloat64).reshape({});
  const Tensor host = torch::stack(numbers).cpu();
  const double* next = host.data_ptr<double>();

  Metrics metrics, own;
  const double count = *next++;
  metrics[options_.name + "/trained_steps"] = count;
  const double norm = *next++;
  metrics[options_.name + "/grad_norm"] = norm;
  std::vector<double> losses;
  for (const Objective& objective : objectives_) {
    losses.push_back(*next);
    metrics[options_.name + "/loss/" + objective.name] = *next++;
  }
  for (const auto& [name, sum] : total_.metrics.sums) own[name] = *next++;
  for (const auto& [name, largest] : total_.metrics.maxima) own[name] = *next++;
  merge(metrics, own, options_.name + "/");
  check_finite(losses, norm);
  if (count > 0) {
    const double clip = options_.max_grad_norm > 0 && norm > options_.max_grad_norm
                            ? options_.max_grad_norm / norm
                            : 1.0;
    const double rate = options_.learning_rate(optimizer_.steps);
    metrics[options_.name + "/learning_rate"] = rate;
    optimizer_.step(total_.gradients, clip / weight, rate, options_.threads);
    update_target();
  }
  enough_ = std::any_of(objectives_.begin(), objectives_.end(),
                        [&](const Objective& o) { return o.loss->enough(own); });
  for (const Objective& objective : objectives_) objective.loss->updated(own, progress);
  clear();
  return metrics;
}

void Learner::check_finite(const std::vector<double>& losses, double norm) const {
  const std::string where = options_.name + ", update " + std::to_string(optimizer_.steps) + ": ";
  for (size_t i = 0; i < losses.size(); ++i) {
    if (!std::isfinite(losses[i])) {
      throw std::runtime_error(where + "the loss \"" + objectives_[i].name + "\" is " +
                               std::to_string(losses[i]) + "; the parameters are unchanged");
    }
  }
  if (std::isfinite(norm)) return;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& gradient = total_.gradients[i];
    if (gradient.defined() && !torch::isfinite(gradient).all().item<bool>()) {
      throw std::runtime_error(where + "the gradient of \"" + parameters_[i].first +
                               "\" is not finite; the parameters are unchanged");
    }
  }
}

void Learner::update_target() {
  if (!target_) return;
  const NamedTensors kept = target_->parameters();
  const bool copy =
      options_.target_copy_every > 0 && optimizer_.steps % options_.target_copy_every == 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    Tensor tensor = kept[i].second;
    if (copy) {
      tensor.copy_(parameters_[i].second);
    } else if (options_.target_average > 0) {
      tensor.lerp_(parameters_[i].second, options_.target_average);
    }
  }
}

void Learner::clear() {
  total_ = {};
  const auto options = parameters_.front().second.options();
  weight_ = torch::zeros({}, options.dtype(torch::kFloat64));
  count_ = torch::zeros({}, options.dtype(torch::kInt64));
}

void Learner::save(State& state) const {
  state.put("updates", optimizer_.steps);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].first;
    state.put("parameter." + name, parameters_[i].second);
    state.put("first_moment." + name, optimizer_.first_moments[i]);
    state.put("second_moment." + name, optimizer_.second_moments[i]);
  }
  for (size_t i = 0; i < objectives_.size(); ++i) {
    State inner;
    objectives_[i].loss->save(inner);
    state.put("loss" + std::to_string(i), inner);
  }
  if (!target_) return;
  for (const auto& [name, tensor] : target_->parameters()) state.put("target." + name, tensor);
}

void Learner::load(const State& state) {
  torch::NoGradGuard no_grad;
  optimizer_.steps = state.integer("updates");
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].first;
    const auto restore = [&](Tensor to, const std::string& key) {
      const Tensor from = state.tensor(key + name);
      expect_shape(from, to.sizes().vec(), key + name);
      to.copy_(from);
    };
    restore(parameters_[i].second, "parameter.");
    restore(optimizer_.first_moments[i], "first_moment.");
    restore(optimizer_.second_moments[i], "second_moment.");
  }
  for (size_t i = 0; i < objectives_.size(); ++i) {
    objectives_[i].loss->load(state.part("loss" + std::to_string(i)));
  }
  if (!target_) return;
  for (auto& [name, tensor] : target_->parameters()) {
    Tensor(tensor).copy_(state.tensor("target." + name));
  }
}

}  // namespace rl

#include "rl/learner.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <utility>

#include "rl/batching.h"
#include "rl/check.h"
#include "rl/ops/masked.h"
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

// What the names of an objective's own notes begin with.
std::string notes_of(const std::string& learner, const Objective& objective) {
  return learner + "/" + objective.name + "/";
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
  std::set<std::string> names;
  for (const Objective& objective : objectives_) {
    require(names.insert(objective.name).second,
            options_.name + ": two objectives are named " + objective.name);
  }
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
  const auto each = [&](Trajectory noted, const auto& note_down) {
    for (const Objective& objective : objectives_) {
      if (!objective.loss->prepares()) continue;
      noted = with_notes_of(noted, objective, note_down(objective, seen_by(noted, objective)));
    }
    return noted;
  };
  const Trajectory prepared =
      map_parts(batch, options_.micro_batch_tokens, options_.threads, [&](const Trajectory& part) {
        torch::NoGradGuard no_grad;
        const Trajectory judged =
            (options_.judge ? options_.judge->judged(part) : part).to(device());
        const Trajectory noted =
            each(judged, [&](const Objective& objective, const Trajectory& seen) {
              return objective.loss->prepare(seen, *model_, objective.reward);
            });
        // What the learner's judge says is asked for anew at every update.
        Trajectory result = part;
        for (const auto& [name, note] : noted.notes) {
          if (name.rfind(options_.name + "/", 0) == 0) result.notes[name] = note.cpu();
        }
        return result;
      });
  return each(prepared, [](const Objective& objective, const Trajectory& seen) {
    return objective.loss->complete(seen);
  });
}

Trajectory Learner::seen_by(const Trajectory& batch, const Objective& objective) const {
  Trajectory result = batch;
  if (objective.rows != Rows::kAll) {
    require(batch.second.defined(), options_.name + ", objective " + objective.name +
                                        ": learns from one source of a mixture, found no mixture");
    const Tensor rows = objective.rows == Rows::kSecond ? batch.second : batch.second.logical_not();
    result.mask = batch.mask.logical_and(rows.unsqueeze(1));
  }
  const std::string own = notes_of(options_.name, objective);
  for (const auto& [name, note] : batch.notes) {
    if (name.rfind(own, 0) != 0) continue;
    const std::string plain = name.substr(own.size());
    result.notes[plain] = note;
    if (plain == kLearned) result.mask = result.mask.logical_and(note);
  }
  return result;
}

Trajectory Learner::with_notes_of(const Trajectory& batch, const Objective& objective,
                                  const Trajectory& seen) const {
  Trajectory result = batch;
  for (const auto& [name, note] : seen.notes) {
    const auto before = batch.notes.find(name);
    if (before != batch.notes.end() && before->second.is_same(note)) continue;
    result.notes[notes_of(options_.name, objective) + name] = note;
  }
  return result;
}

std::vector<Learner::Share> Learner::shares(const Trajectory& batch) const {
  std::vector<Share> result;
  const Tensor all = weight_of(batch).sum();
  for (const Objective& objective : objectives_) {
    const Trajectory seen = seen_by(batch, objective);
    const Tensor weight = weight_of(seen), own = weight.sum().clamp_min(1e-12);
    const bool is_whole = seen.mask.is_same(batch.mask);
    Share share{.factor = is_whole ? torch::ones_like(all) : all / own, .of_first = {}};
    if (batch.second.defined()) {
      share.of_first = weight.masked_fill(batch.second.unsqueeze(1), 0).sum() / own;
    }
    result.push_back(share);
  }
  return result;
}

Tensor Learner::weight_of(const Trajectory& batch) const {
  const Tensor mask = batch.mask.to(torch::kFloat32);
  if (options_.average == Average::kSteps) return mask;
  return mask / mask.sum(1, /*keepdim=*/true).clamp_min(1);
}

std::optional<Trajectory> Learner::judged_already(const Trajectory& batch) const {
  const Learner* other = options_.judge_learns;
  if (!options_.judge || !other || !batch.mask.is_same(other->seen_.mask)) return std::nullopt;
  torch::NoGradGuard no_grad;
  return batch.with(options_.judge->judge_by(other->seen_.states, batch)).to(torch::kCPU);
}

Tensor Learner::accumulate(const Trajectory& batch) {
  const std::vector<Tensor> rows =
      cut_by_tokens(batch, options_.micro_batch_tokens, options_.threads.shards);
  const int64_t shards =
      std::min<int64_t>(std::max(1, options_.threads.shards), static_cast<int64_t>(rows.size()));
  std::vector<Sums> sums(static_cast<size_t>(shards));
  std::vector<Part> parts(rows.size());
  const std::vector<Share> share = shares(batch);
  const std::optional<Trajectory> judged = judged_already(batch);
  run_parallel(options_.threads, shards, [&](int64_t shard) {
    for (size_t i = static_cast<size_t>(shard); i < rows.size(); i += static_cast<size_t>(shards)) {
      Trajectory part = (judged ? *judged : batch).select(rows[i]);
      if (options_.judge && !judged) {
        torch::NoGradGuard no_grad;
        part = options_.judge->judged(part);
      }
      parts[i] = add_part(part.to(device()), share, sums[static_cast<size_t>(shard)]);
    }
  });
  for (const Sums& part : sums) add_sums(total_, part);
  weight_ = weight_ + weight_of(batch).sum().to(torch::kFloat64);
  count_ = count_ + batch.mask.sum();
  const Tensor order = torch::cat(rows).argsort();
  const auto joined = [&](const auto& of) {
    std::vector<Tensor> found;
    for (const Part& part : parts) found.push_back(of(part));
    return torch::cat(found).index_select(0, order.to(found.front().device()));
  };
  if (options_.keeps_states) {
    const Tensor features = joined([&](const Part& part) {
      const Tensor& own = part.states.features;
      return torch::constant_pad_nd(own, {0, 0, 0, batch.length() - own.size(1)});
    });
    seen_ = {batch.mask, {features, parts.front().states.readout, {}}};
  }
  if (!parts.front().errors.defined()) return {};
  return joined([](const Part& part) { return part.errors.cpu(); });
}

Learner::Part Learner::add_part(const Trajectory& part, const std::vector<Share>& shares,
                                Sums& sums) const {
  const PolicyOutput online = model_->evaluate(part);
  PolicyOutput target;
  if (target_) {
    torch::NoGradGuard no_grad;
    target = target_->evaluate(part);
  }
  sums.losses.resize(objectives_.size());
  sums.metrics.resize(objectives_.size());
  Tensor total, errors;
  for (size_t i = 0; i < objectives_.size(); ++i) {
    const Objective& objective = objectives_[i];
    const Trajectory seen = seen_by(part, objective);
    Tensor weight = weight_of(seen) * shares[i].factor;
    if (part.importance.defined()) weight = weight * part.importance.unsqueeze(1);
    const LossOutput out = (*objective.loss)(
        {seen, online, target_ ? &target : nullptr, objective.reward, weight, shares[i].of_first});
    const Tensor weighted = objective.weight * out.loss;
    total = total.defined() ? total + weighted : weighted;
    add_into(sums.losses[i], out.loss.detach().clone());
    merge(sums.metrics[i], out.metrics);
    if (out.errors.defined()) add_into(errors, out.errors.abs());
  }
  const std::vector<Tensor> gradients = torch::autograd::grad(
      {total}, tensors_of(parameters_), {}, /*retain_graph=*/{}, /*create_graph=*/false,
      /*allow_unused=*/true);
  sums.gradients.resize(gradients.size());
  for (size_t i = 0; i < gradients.size(); ++i) add_into(sums.gradients[i], gradients[i]);
  Part result;
  if (errors.defined()) result.errors = ops::masked_row_mean(errors, part.mask);
  if (options_.keeps_states) result.states = {online.features.detach(), online.readout, {}};
  return result;
}

void Learner::add_sums(Sums& into, const Sums& from) const {
  into.losses.resize(objectives_.size());
  into.metrics.resize(objectives_.size());
  into.gradients.resize(parameters_.size());
  for (size_t i = 0; i < from.losses.size(); ++i) add_into(into.losses[i], from.losses[i]);
  for (size_t i = 0; i < from.gradients.size(); ++i) add_into(into.gradients[i], from.gradients[i]);
  for (size_t i = 0; i < from.metrics.size(); ++i) merge(into.metrics[i], from.metrics[i]);
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
  Tensor squares = torch::zeros({}, torch::kFloat64).to(device());
  for (const Tensor& gradient : total_.gradients) {
    if (gradient.defined()) squares += gradient.norm().to(torch::kFloat64).square();
  }
  // Everything the host wants to know, brought over at once.
  std::vector<Tensor> numbers = {count_, squares.sqrt() / weight};
  for (const Tensor& loss : total_.losses) numbers.push_back(loss / weight);
  for (const PartMetrics& part : total_.metrics) {
    for (const auto& [name, sum] : part.sums) numbers.push_back(sum / weight);
    for (const auto& [name, largest] : part.maxima) numbers.push_back(largest);
  }
  for (Tensor& number : numbers) number = number.to(device(), torch::kFloat64).reshape({});
  const Tensor host = torch::stack(numbers).cpu();
  const double* next = host.data_ptr<double>();

  Metrics metrics;
  const double count = *next++;
  metrics[options_.name + "/trained_steps"] = count;
  const double norm = *next++;
  metrics[options_.name + "/grad_norm"] = norm;
  std::vector<double> losses;
  for (const Objective& objective : objectives_) {
    losses.push_back(*next);
    metrics[options_.name + "/loss/" + objective.name] = *next++;
  }
  std::vector<Metrics> own(objectives_.size());
  std::map<std::string, int64_t> tellers;
  for (size_t i = 0; i < objectives_.size(); ++i) {
    for (const auto& [name, sum] : total_.metrics[i].sums) own[i][name] = *next++;
    for (const auto& [name, largest] : total_.metrics[i].maxima) own[i][name] = *next++;
    for (const auto& [name, value] : own[i]) ++tellers[name];
  }
  // What several objectives tell is told apart by their names.
  for (size_t i = 0; i < objectives_.size(); ++i) {
    for (const auto& [name, value] : own[i]) {
      const std::string whose = tellers[name] > 1 ? objectives_[i].name + "/" : "";
      metrics[options_.name + "/" + whose + name] = value;
    }
  }
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
  enough_ = false;
  for (size_t i = 0; i < objectives_.size(); ++i) {
    enough_ = enough_ || objectives_[i].loss->enough(own[i]);
    objectives_[i].loss->updated(own[i], progress);
  }
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
  seen_ = {};
  weight_ = torch::zeros({}, torch::kFloat64);
  count_ = torch::zeros({}, torch::kInt64);
}

torch::Device Learner::device() const { return parameters_.front().second.device(); }

void Learner::save(State& state) const {
  state.put("updates", optimizer_.steps);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].first;
    state.put("parameter." + name, parameters_[i].second);
    state.put("first_moment." + name, optimizer_.first_moments[i]);
    state.put("second_moment." + name, optimizer_.second_moments[i]);
  }
  for (size_t i = 0; i < objectives_.size(); ++i) {
    state.save("loss" + std::to_string(i), *objectives_[i].loss);
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

#include <functional>
#include <utility>
#include <vector>

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "distill/self_bleu.h"
#include "rl/batching.h"
#include "rl/opinion.h"
#include "rl/ops/inverse_bellman.h"
#include "rl/ops/returns.h"
#include "rl/ops/value.h"
#include "rl/torch.h"

namespace distill {
namespace {

// A function of a judge's opinion of every state: its logits of all actions.
class Judge {
 public:
  Judge(const Value& judge, const Context& context)
      : prior_(context.domain.judge(component(judge), {.raw = true})),
        threads_(context.threads),
        part_tokens_(context.micro_batch_tokens) {}

  // float32[B, T, columns], of the states where `where` is true.
  rl::Tensor look(const rl::Trajectory& trajectory, const rl::Tensor& where, int64_t columns,
                  const rl::StateFunction& f) const {
    const rl::Trajectory all = trajectory.with_note("where", where);
    const auto judged = [&](const rl::Trajectory& part) {
      torch::NoGradGuard no_grad;
      const rl::ActionSet said = prior_->judge(part);
      const rl::PolicyOutput output{said.prior_features, *said.prior_readout, {}};
      const rl::Trajectory there = part.to(said.prior_features.device());
      const rl::Tensor found = rl::map_states(output, there, there.notes.at("where"), f, columns);
      rl::Trajectory result = part;
      result.notes = {{"found", found.cpu()}};
      return result;
    };
    const rl::Tensor found = rl::map_parts(all, part_tokens_, threads_, judged).notes.at("found");
    // Parts have lost the columns that no row needs.
    return torch::constant_pad_nd(found, {0, 0, 0, trajectory.length() - found.size(1)});
  }

 private:
  std::shared_ptr<const rl::Prior> prior_;
  rl::Threads threads_;
  int64_t part_tokens_;
};

// A judge's log-probability of each action taken.
class LogLikelihoodOf : public rl::Payer {
 public:
  explicit LogLikelihoodOf(Judge judge) : judge_(std::move(judge)) {}

  rl::Tensor pay(const rl::Trajectory& t) const override {
    return judge_
        .look(t, t.mask, 1, [](const rl::Opinion& o) { return o.action_log_prob().unsqueeze(-1); })
        .squeeze(-1);
  }

 private:
  Judge judge_;
};

// The actor's log-probability of each action taken less a judge's.
class LogRatio : public rl::Payer {
 public:
  explicit LogRatio(Judge judge) : judge_(std::move(judge)) {}

  rl::Tensor pay(const rl::Trajectory& trajectory) const override {
    return trajectory.behavior_log_prob - judge_.pay(trajectory);
  }

 private:
  LogLikelihoodOf judge_;
};

// A number for each row, from the tokens written in it, paid at its last step.
class AtTheEnd : public rl::Payer {
 public:
  using Texts = std::vector<std::vector<int64_t>>;
  explicit AtTheEnd(std::function<std::vector<double>(const Texts&)> worth)
      : worth_(std::move(worth)) {}

  rl::Tensor pay(const rl::Trajectory& trajectory) const override {
    const std::vector<double> found = worth_(written_ids(trajectory));
    return at_last_step(trajectory, torch::tensor(found, torch::kFloat32));
  }

 private:
  std::function<std::vector<double>(const Texts&)> worth_;
};

std::shared_ptr<const rl::Payer> make_log_likelihood_of(const Options& options,
                                                        const Context& context) {
  const auto found = bound<LogLikelihoodOfOptions>(options);
  return std::make_shared<LogLikelihoodOf>(Judge(found.judge, context));
}

// The reward under which a judge's logits are the best action values.
class InverseBellman : public rl::Payer {
 public:
  InverseBellman(InverseBellmanOptions options, Judge judge)
      : options_(std::move(options)), judge_(std::move(judge)) {}

  rl::Tensor pay(const rl::Trajectory& t) const override {
    const rl::Tensor found = judge_.look(t, t.state_mask, 2, [&](const rl::Opinion& o) {
      const rl::Tensor q = at_gauge(o.all_logits());
      const rl::Tensor taken = q.gather(-1, o.action().unsqueeze(-1)).squeeze(-1);
      return torch::stack({taken, value(q)}, -1);
    });
    return rl::ops::block_rewards(found.select(-1, 0), found.select(-1, 1),
                                  t.discount * options_.gamma,
                                  rl::ops::next_column(t.mask).logical_not(), options_.steps);
  }

 private:
  rl::Tensor at_gauge(const rl::Tensor& z) const {
    if (options_.gauge == "raw") return z;
    if (options_.gauge == "centered") return z - rl::ops::mean_value(z).unsqueeze(-1);
    return z.log_softmax(-1);
  }
  rl::Tensor value(const rl::Tensor& q) const {
    if (options_.value == "hard") return rl::ops::greedy_value(q);
    if (options_.value == "expectation") return rl::ops::softmax_value(q);
    return rl::ops::soft_value(q, {}, options_.entropy);
  }

  InverseBellmanOptions options_;
  Judge judge_;
};

std::shared_ptr<const rl::Payer> make_inverse_bellman(const Options& options,
                                                      const Context& context) {
  const auto found = bound<InverseBellmanOptions>(options);
  return std::make_shared<InverseBellman>(found, Judge(found.judge, context));
}

std::shared_ptr<const rl::Payer> make_log_ratio(const Options& options, const Context& context) {
  const auto found = bound<LogRatioOptions>(options);
  return std::make_shared<LogRatio>(Judge(found.judge, context));
}

std::shared_ptr<const rl::Payer> make_intended_label(const Options& options,
                                                     const Context& context) {
  static_cast<void>(bound<IntendedLabelOptions>(options));
  return context.domain.payer("intended_label");
}

std::shared_ptr<const rl::Payer> make_length_outside(const Options& options, const Context&) {
  const auto band = bound<LengthOutsideOptions>(options);
  return std::make_shared<AtTheEnd>([band](const AtTheEnd::Texts& texts) {
    std::vector<double> outside;
    for (const auto& text : texts) {
      const auto length = static_cast<int64_t>(text.size());
      outside.push_back(length < band.shortest || length > band.longest ? 1 : 0);
    }
    return outside;
  });
}

std::shared_ptr<const rl::Payer> make_self_bleu(const Options& options, const Context&) {
  const int64_t order = bound<SelfBleuOptions>(options).order;
  return std::make_shared<AtTheEnd>(
      [order](const AtTheEnd::Texts& texts) { return self_bleu(texts, order); });
}

struct PayerEntry {
  const char* name;
  std::shared_ptr<const rl::Payer> (*make)(const Options&, const Context&);
};

constexpr PayerEntry kPayers[] = {
    {"intended_label", make_intended_label}, {"inverse_bellman", make_inverse_bellman},
    {"length_outside", make_length_outside}, {"log_likelihood_of", make_log_likelihood_of},
    {"log_ratio", make_log_ratio},           {"self_bleu", make_self_bleu},
};

}  // namespace

rl::Tensor at_last_step(const rl::Trajectory& trajectory, const rl::Tensor& values) {
  const rl::Tensor column = torch::arange(trajectory.length(), trajectory.action.options());
  const rl::Tensor last = (trajectory.step_counts() - 1).unsqueeze(1) == column.unsqueeze(0);
  return values.to(trajectory.reward.options()).unsqueeze(1) * last;
}

std::vector<std::vector<int64_t>> written_ids(const rl::Trajectory& trajectory) {
  const rl::Tensor action = trajectory.action.to(torch::kCPU).contiguous();
  const rl::Tensor mask = trajectory.mask.to(torch::kCPU).contiguous();
  std::vector<std::vector<int64_t>> rows(static_cast<size_t>(trajectory.size()));
  for (int64_t i = 0; i < action.numel(); ++i) {
    if (!mask.data_ptr<bool>()[i]) continue;
    rows[static_cast<size_t>(i / trajectory.length())].push_back(action.data_ptr<int64_t>()[i]);
  }
  return rows;
}

std::shared_ptr<const rl::Payer> make_payer(const ComponentSpec& spec, const Context& context) {
  for (const PayerEntry& entry : kPayers) {
    if (spec.name == entry.name) return entry.make(spec.options, context);
  }
  throw ConfigError("there is no payer \"" + spec.name + "\"");
}

}  // namespace distill

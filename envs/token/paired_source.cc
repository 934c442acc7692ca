#include "envs/token/paired_source.h"

#include <algorithm>
#include <utility>

#include "rl/beta.h"
#include "rl/pairs.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace envs {
namespace {

// What two examples have in common of length. A mixed row ends with the shorter answer, whatever the
// longer one would go on to say.
void cut_to_common(Example& a, Example& b) {
  const auto prompt = static_cast<std::ptrdiff_t>(std::min(a.prompt.size(), b.prompt.size()));
  const size_t response = std::min(a.response.size(), b.response.size());
  for (Example* example : {&a, &b}) {
    example->prompt.erase(example->prompt.begin(), example->prompt.end() - prompt);
    example->response.resize(response);
    example->ended = true;
  }
}

}  // namespace

PairedSource::PairedSource(ExampleOf example_of, double beta_shape, uint64_t seed)
    : example_of_(std::move(example_of)),
      beta_shape_(beta_shape),
      key_(rl::role_key(seed, "mixed pairs")) {}

rl::Trajectory PairedSource::collect(const rl::Tensor& episodes, double) {
  std::vector<Example> firsts, seconds;
  std::vector<float> shares;
  for (int64_t i = 0; i < episodes.size(0); ++i) {
    const auto episode = episodes[i].item<int64_t>();
    const bool mixed = beta_shape_ > 0;
    firsts.push_back(example_of_(episode));
    seconds.push_back(mixed ? example_of_(episode ^ 1) : firsts.back());
    if (mixed) cut_to_common(firsts.back(), seconds.back());
    shares.push_back(mixed ? static_cast<float>(rl::symmetric_beta(beta_shape_, key_,
                                                                   static_cast<uint64_t>(episode)))
                           : 1.0F);
  }
  const rl::Trajectory first = trajectory_of(firsts, episodes),
                       second = trajectory_of(seconds, episodes);
  rl::Trajectory pairs = first;
  pairs.observation = torch::stack({first.observation, second.observation}, -1);
  const rl::Tensor share = torch::tensor(shares).unsqueeze(1);
  return pairs.with_note(rl::kFirstShare, share.expand(first.action.sizes()).clone())
      .with_note(rl::kSecondAction, second.action);
}

}  // namespace envs

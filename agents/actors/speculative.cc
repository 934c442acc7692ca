#include "agents/actors/speculative.h"

#include <algorithm>
#include <string>
#include <utility>

#include "rl/action_set.h"
#include "rl/check.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

template <class T>
std::vector<T> to_vector(const Tensor& x) {
  const Tensor host = x.to(torch::kCPU, c10::CppTypeToScalarType<T>::value).contiguous();
  return {host.data_ptr<T>(), host.data_ptr<T>() + host.numel()};
}

}  // namespace

Tensor SpeculativeOptions::k_at(const Tensor& step) const {
  if (decay_tokens == 0) return torch::full_like(step, k);
  return (k - torch::div(step * k, decay_tokens, "floor")).clamp_min(1);
}

void SpeculativeOptions::validate() const {
  rl::require(k >= 1, "k must be at least 1, found " + std::to_string(k));
  rl::require(decay_tokens >= 0,
              "decay_tokens must be >= 0, found " + std::to_string(decay_tokens));
  student.validate();
  teacher.validate();
}

Interleaved interleave(const Tensor& log_q, const Tensor& proposed, const Tensor& teacher_logits,
                       const Tensor& step, const SpeculativeOptions& options,
                       const Tensor& uniform) {
  rl::expect_shape(teacher_logits, log_q.sizes().vec(), "teacher_logits");
  const int64_t most = std::min(options.k, log_q.size(-1));
  const Tensor likeliest = std::get<0>(teacher_logits.topk(most, -1));
  const Tensor k = options.k_at(step).clamp_max(most).to(likeliest.device());
  const Tensor least = likeliest.gather(-1, k.unsqueeze(-1) - 1);
  const Tensor stands = teacher_logits >= least;  // bool[B, A]
  const auto at = [](const Tensor& x, const Tensor& ids) {
    return x.gather(-1, ids.unsqueeze(-1)).squeeze(-1);
  };
  const Tensor accepted = at(stands, proposed);
  const Tensor log_p = filtered_log_probs(teacher_logits, options.teacher);
  const Tensor ids = torch::where(accepted, proposed, draw(log_p, uniform).action_ids);
  // What was rejected is summed up, not 1 less the rest: that would round a small mass to nothing.
  const Tensor q = log_q.exp();
  const Tensor rejected = q.masked_fill(stands, 0).sum(-1);
  const Tensor b = at(q * stands, ids) + rejected * at(log_p, ids).exp();
  return {ids, b.log(), accepted};
}

SpeculativeDraws::SpeculativeDraws(uint64_t seed, std::string_view role)
    : student_key_(rl::role_key(seed, std::string(role) + " proposal")),
      teacher_key_(rl::role_key(seed, std::string(role) + " replacement")) {}

Tensor SpeculativeDraws::of_student(const Tensor& episode, const Tensor& step) const {
  return rl::uniform(student_key_, episode, step);
}

Tensor SpeculativeDraws::of_teacher(const Tensor& episode, const Tensor& step) const {
  return rl::uniform(teacher_key_, episode, step);
}

SpeculativeActor::SpeculativeActor(std::unique_ptr<NextLogits> student,
                                   std::unique_ptr<NextLogits> teacher,
                                   const SpeculativeOptions& options, uint64_t seed,
                                   std::string_view role)
    : student_(std::move(student)),
      teacher_(std::move(teacher)),
      options_(options),
      draws_(seed, role) {
  options.validate();
}

void SpeculativeActor::begin(const rl::TimeStep& first) {
  student_->begin(first);
  teacher_->begin(first);
}

rl::Choice SpeculativeActor::act(const rl::TimeStep& now) {
  torch::NoGradGuard no_grad;
  const Tensor log_q = filtered_log_probs(student_->of(now), options_.student);
  const auto here = log_q.device();
  const Tensor proposed = draw(log_q, draws_.of_student(now.episode, now.step).to(here)).action_ids;
  const Interleaved done = interleave(log_q, proposed, teacher_->of(now), now.step, options_,
                                      draws_.of_teacher(now.episode, now.step).to(here));
  return on_host({done.action_ids, done.log_prob});
}

void SpeculativeActor::keep(const Tensor& rows) {
  student_->keep(rows);
  teacher_->keep(rows);
}

Tensor SpeculativeWriter::Reader::read(const Tensor& ids, const std::vector<int64_t>& counts) {
  return decoder->forward(ids, *cache, counts);
}

Tensor SpeculativeWriter::Reader::logits(const Tensor& hidden) const {
  return rl::Readout{decoder->head_weight(), {}, 1.0}.logits(hidden);
}

SpeculativeWriter::SpeculativeWriter(Decoder student, Decoder teacher,
                                     const SpeculativeOptions& options, Text text, uint64_t seed,
                                     std::string_view role)
    : student_{std::move(student), std::nullopt},
      teacher_{std::move(teacher), std::nullopt},
      options_(options),
      text_(std::move(text)),
      draws_(seed, role) {
  options.validate();
  rl::require(text_.draft_tokens >= 1,
              "draft_tokens must be at least 1, found " + std::to_string(text_.draft_tokens));
  const int64_t own = student_.decoder->vocabulary_size();
  rl::require(own == teacher_.decoder->vocabulary_size(),
              "a student and a teacher of one vocabulary, found " + std::to_string(own) + " and " +
                  std::to_string(teacher_.decoder->vocabulary_size()) + " tokens");
}

void SpeculativeWriter::begin(const rl::TimeStep& first) {
  torch::NoGradGuard no_grad;
  episode_ = first.episode;
  teacher_passes_ = 0;
  const std::vector<int64_t> lengths = to_vector<int64_t>(first.length);
  const std::vector<int64_t> last =
      to_vector<int64_t>(first.observation.gather(1, (first.length - 1).unsqueeze(1)).squeeze(1));
  answers_.assign(lengths.size(), {});
  std::vector<int64_t> before;
  for (size_t row = 0; row < lengths.size(); ++row) {
    answers_[row].prompt = lengths[row];
    answers_[row].last = last[row];
    before.push_back(lengths[row] - 1);
  }
  const int64_t longest = *std::max_element(before.begin(), before.end());
  for (Reader* reader : {&student_, &teacher_}) {
    reader->cache.emplace(reader->decoder->new_cache(first.size(), longest + text_.max_new_tokens));
    if (longest > 0) reader->read(first.observation.narrow(1, 0, longest), before);
  }
}

int64_t SpeculativeWriter::room(const Answer& answer) const {
  return answer.over ? 0 : text_.max_new_tokens - static_cast<int64_t>(answer.ids.size());
}

std::vector<int64_t> SpeculativeWriter::counts(int64_t tokens) const {
  std::vector<int64_t> result;
  for (const Answer& answer : answers_) result.push_back(std::min(tokens, room(answer)));
  return result;
}

Tensor SpeculativeWriter::lengths() const {
  std::vector<int64_t> result;
  for (const Answer& answer : answers_) result.push_back(static_cast<int64_t>(answer.ids.size()));
  return torch::tensor(result, torch::kInt64);
}

rl::Choice SpeculativeWriter::act(const rl::TimeStep& now) {
  const std::vector<int64_t> steps = to_vector<int64_t>(now.step);
  const auto waits = [&](size_t row) {
    return static_cast<size_t>(steps[row]) >= answers_[row].ids.size();
  };
  bool empty = false;
  for (size_t row = 0; row < answers_.size(); ++row) {
    empty = empty || (waits(row) && !answers_[row].over);
  }
  if (empty) write_block();
  std::vector<int64_t> ids;
  std::vector<float> log_probs;
  for (size_t row = 0; row < answers_.size(); ++row) {
    // Rows that are over do nothing.
    ids.push_back(waits(row) ? 0 : answers_[row].ids[static_cast<size_t>(steps[row])]);
    log_probs.push_back(waits(row) ? 0 : answers_[row].log_probs[static_cast<size_t>(steps[row])]);
  }
  return {torch::tensor(ids, torch::kInt64), torch::tensor(log_probs, torch::kFloat32)};
}

// Every row goes on from where it stands, those that are ahead too.
void SpeculativeWriter::write_block() {
  torch::NoGradGuard no_grad;
  const std::vector<int64_t> most = counts(text_.draft_tokens);
  const Draft draft = propose(*std::max_element(most.begin(), most.end()));
  take(examine(draft));
  std::vector<int64_t> read;
  for (const Answer& answer : answers_) {
    read.push_back(answer.prompt - 1 + static_cast<int64_t>(answer.ids.size()));
  }
  student_.cache->truncate(read);
  teacher_.cache->truncate(read);
}

SpeculativeWriter::Draft SpeculativeWriter::propose(int64_t tokens) {
  std::vector<int64_t> last;
  for (const Answer& answer : answers_) last.push_back(answer.last);
  Draft draft;
  Tensor token = torch::tensor(last, torch::kInt64);
  const Tensor first = lengths();
  for (int64_t place = 0; place < tokens; ++place) {
    std::vector<int64_t> more = counts(place + 1);
    for (int64_t& count : more) count = count > place ? 1 : 0;
    const Tensor hidden = student_.read(token.unsqueeze(1), more).squeeze(1);
    draft.log_q.push_back(filtered_log_probs(student_.logits(hidden), options_.student));
    const Tensor& log_q = draft.log_q.back();
    token = draw(log_q, draws_.of_student(episode_, first + place).to(log_q.device())).action_ids;
    draft.proposed.push_back(token);
  }
  return draft;
}

std::vector<Interleaved> SpeculativeWriter::examine(const Draft& draft) {
  const auto tokens = static_cast<int64_t>(draft.proposed.size());
  std::vector<int64_t> last;
  for (const Answer& answer : answers_) last.push_back(answer.last);
  std::vector<Tensor> ids = {torch::tensor(last, torch::kInt64).to(draft.proposed[0].device())};
  ids.insert(ids.end(), draft.proposed.begin(), draft.proposed.end() - 1);
  const Tensor hidden = teacher_.read(torch::stack(ids, 1), counts(tokens));
  ++teacher_passes_;
  std::vector<Interleaved> looked;
  const Tensor first = lengths();
  for (int64_t place = 0; place < tokens; ++place) {
    const auto at = static_cast<size_t>(place);
    const auto here = draft.log_q[at].device();
    looked.push_back(interleave(draft.log_q[at], draft.proposed[at],
                                teacher_.logits(hidden.select(1, place)), first + place, options_,
                                draws_.of_teacher(episode_, first + place).to(here)));
  }
  return looked;
}

// What stands: up to the first token that the teacher replaced, or that ends the answer.
void SpeculativeWriter::take(const std::vector<Interleaved>& looked) {
  const size_t rows = answers_.size();
  std::vector<Tensor> all_ids, all_log_probs, all_accepted;
  for (const Interleaved& one : looked) {
    all_ids.push_back(one.action_ids);
    all_log_probs.push_back(one.log_prob);
    all_accepted.push_back(one.accepted);
  }
  const auto ids = to_vector<int64_t>(torch::stack(all_ids));
  const auto log_probs = to_vector<float>(torch::stack(all_log_probs));
  const auto accepted = to_vector<int64_t>(torch::stack(all_accepted));
  for (size_t row = 0; row < rows; ++row) {
    Answer& answer = answers_[row];
    for (size_t at = row; at < ids.size() && room(answer) > 0; at += rows) {
      answer.ids.push_back(ids[at]);
      answer.log_probs.push_back(log_probs[at]);
      answer.last = ids[at];
      const auto& ends = text_.end_ids;
      answer.over = std::find(ends.begin(), ends.end(), ids[at]) != ends.end() ||
                    static_cast<int64_t>(answer.ids.size()) == text_.max_new_tokens;
      if (accepted[at] == 0) break;
    }
  }
}

void SpeculativeWriter::keep(const Tensor& rows) {
  const std::vector<int64_t> kept = to_vector<int64_t>(rows);
  student_.cache->keep(kept);
  teacher_.cache->keep(kept);
  episode_ = episode_.index_select(0, rows);
  std::vector<Answer> answers;
  for (const int64_t row : kept) answers.push_back(std::move(answers_[static_cast<size_t>(row)]));
  answers_ = std::move(answers);
}

}  // namespace agents

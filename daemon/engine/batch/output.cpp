#include "engine/batch/output.hpp"

#include <algorithm>
#include <utility>

namespace gpumodel::engine::batch {

const char* finish_name(Finish finish) {
  switch (finish) {
    case Finish::none:
      return "none";
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::cancelled:
      return "cancelled";
    case Finish::deadline:
      return "deadline";
  }
  return "none";
}

Output::Output(OutputLimits limits) : limits_(std::move(limits)), matcher_(limits_.stops) {}

bool Output::is_end(std::int32_t token) const {
  return std::find(limits_.end_tokens.begin(), limits_.end_tokens.end(), token) !=
         limits_.end_tokens.end();
}

Finish Output::push(const sample::Sample& sample, std::string_view text, bool is_open) {
  ++tokens_;
  add_text(text);
  for (Pending& pending : pending_) {
    if (!pending.is_open) continue;
    pending.end_bytes = text_bytes_;
    pending.is_open = is_open;
  }
  pending_.push_back({sample, text_bytes_, is_open});
  if (matcher_.stopped()) return Finish::stop;
  return tokens_ >= limits_.max_tokens ? Finish::length : Finish::none;
}

void Output::add_text(std::string_view text) {
  text_bytes_ += text.size();
  const std::string certain = matcher_.push(text);
  certain_bytes_ += certain.size();
  certain_ += certain;
}

void Output::finish(std::string_view rest) {
  add_text(rest);
  certain_ += matcher_.flush();
  is_finished_ = true;
}

OutputPiece Output::take() {
  OutputPiece piece;
  piece.text = std::exchange(certain_, {});
  while (!pending_.empty()) {
    Pending& pending = pending_.front();
    if (!is_finished_ && (pending.is_open || pending.end_bytes > certain_bytes_)) break;
    piece.tokens.push_back(pending.sample.token);
    piece.logprobs.push_back(pending.sample.logprob);
    piece.top.insert(piece.top.end(), pending.sample.top.begin(), pending.sample.top.end());
    pending_.pop_front();
  }
  return piece;
}

}  // namespace gpumodel::engine::batch

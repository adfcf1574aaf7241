#include "engine/text/decoder_stages.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "engine/text/byte_level.hpp"
#include "engine/text/unicode.hpp"

namespace gpumodel::engine::text {

void JoinStage::write(std::string_view text) {
  if (at_token_start_ && !first_) next_.write(" ");
  at_token_start_ = first_ = false;
  next_.write(text);
}

void JoinStage::end_token() {
  if (at_token_start_) write("");
  at_token_start_ = true;
  next_.end_token();
}

void ByteLevelStage::end_token() {
  bytes_.clear();
  text_.clear();
  append_byte_level_decoded(bytes_, token_);
  token_.clear();
  utf8_.push(bytes_, text_);
  next_.write(text_);
}

void ByteLevelStage::finish() {
  text_.clear();
  utf8_.flush(text_);
  next_.write(text_);
  next_.end_token();
  next_.finish();
}

std::optional<char> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned value = 0;
  const char* const end = token.data() + 5;
  const auto result = std::from_chars(token.data() + 3, end, value, 16);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return static_cast<char>(value);
}

void ByteFallbackStage::end_token() {
  if (const std::optional<char> byte = byte_of_token(token_)) {
    run_.push_back(*byte);
  } else {
    end_run();
    next_.write(token_);
    next_.end_token();
  }
  token_.clear();
}

void ByteFallbackStage::end_run() {
  if (run_.empty()) return;
  if (is_valid_utf8(run_)) {
    next_.write(run_);
    next_.end_token();
  } else {
    for (std::size_t i = 0; i < run_.size(); ++i) {
      next_.write("\xEF\xBF\xBD");
      next_.end_token();
    }
  }
  run_.clear();
}

void ByteFallbackStage::finish() {
  end_run();
  next_.finish();
}

void FuseStage::finish() {
  next_.end_token();
  next_.finish();
}

void StripStage::write_content(std::size_t count) {
  for (; count > 0; --count) next_.write(content_);
}

void StripStage::write(std::string_view text) {
  while (front_left_ > 0 && text.starts_with(content_)) {
    text.remove_prefix(content_.size());
    --front_left_;
  }
  if (text.empty()) return;
  front_left_ = 0;
  std::string_view body = text;
  std::size_t behind = 0;
  while (body.ends_with(content_)) {
    body.remove_suffix(content_.size());
    ++behind;
  }
  if (!body.empty()) {
    write_content(held_);
    held_ = 0;
    next_.write(body);
  }
  held_ += behind;
  if (held_ > stop_) {
    write_content(held_ - stop_);
    held_ = stop_;
  }
}

void StripStage::end_token() {
  front_left_ = start_;
  held_ = 0;
  next_.end_token();
}

void ReplaceStage::replace(std::string_view text) {
  std::size_t done = 0;
  const bool newer = has_newer_characters(text);
  pattern_.for_each_match(text, newer, state_, [&](MatchRange match) {
    if (done < match.begin) next_.write(text.substr(done, match.begin - done));
    next_.write(content_);
    done = match.end;
  });
  if (done < text.size()) next_.write(text.substr(done));
}

void ReplaceStage::write(std::string_view text) {
  if (pattern_.single_character()) {
    replace(text);
  } else {
    token_.append(text);
  }
}

void ReplaceStage::end_token() {
  replace(token_);
  token_.clear();
  next_.end_token();
}

void MetaspaceStage::write(std::string_view text) {
  for (;;) {
    const std::size_t at = text.find(metaspace_.replacement);
    if (at != 0) next_.write(text.substr(0, at));
    if (at == std::string_view::npos) return;
    if (!first_ || metaspace_.scheme == Metaspace::Scheme::kNever) next_.write(" ");
    text.remove_prefix(at + metaspace_.replacement.size());
  }
}

void MetaspaceStage::end_token() {
  first_ = false;
  next_.end_token();
}

}  // namespace gpumodel::engine::text

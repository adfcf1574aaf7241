#include "gpumodel-openai/tool_calls.hpp"

#include <algorithm>
#include <optional>

#include "gpumodel-openai/bounded_json.hpp"

namespace gpumodel_openai {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr std::string_view kMistral = "[TOOL_CALLS]";
constexpr std::string_view kPythonTag = "<|python_tag|>";
constexpr std::string_view kSpace = " \t\r\n";

std::string_view without_leading(std::string_view text, std::string_view what) {
  return text.substr(0, what.size()) == what ? text.substr(what.size()) : text;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  return first == text.npos ? std::string_view() : text.substr(first);
}

std::optional<ToolCall> call_of(const ordered_json& json) {
  if (!json.is_object()) return std::nullopt;
  const auto name = json.find("name");
  if (name == json.end() || !name->is_string()) return std::nullopt;
  for (const char* key : {"arguments", "parameters"}) {
    const auto arguments = json.find(key);
    if (arguments == json.end()) continue;
    if (!arguments->is_object()) return std::nullopt;
    return ToolCall{name->get<std::string>(), arguments->dump()};
  }
  return std::nullopt;
}

// All of them, or none where one is no call.
std::vector<ToolCall> calls_of(std::string_view text) {
  const ordered_json json = parse_bounded(text);
  std::vector<ToolCall> calls;
  const ordered_json all = json.is_array() ? json : ordered_json::array({json});
  for (const ordered_json& one : all) {
    const auto call = call_of(one);
    if (!call) return {};
    calls.push_back(*call);
  }
  return calls;
}

bool may_become(std::string_view text, std::string_view what) {
  return text.size() < what.size() && what.substr(0, text.size()) == text;
}

// Whether an object that begins so may be a call: its first key is one that calls have.
bool may_be_call(std::string_view text) {
  const std::string_view inside = trimmed(text.substr(1));
  if (inside.empty()) return true;
  if (inside.front() != '"') return false;
  for (const std::string_view key : {"\"name\"", "\"parameters\"", "\"arguments\"", "\"type\""})
    if (inside.substr(0, key.size()) == key || may_become(inside, key)) return true;
  return false;
}

}  // namespace

ToolPiece ToolCallParser::push(std::string_view text) {
  held_ += text;
  ToolPiece out;
  if (state_ == State::beginning) begin(out);
  if (state_ == State::text || state_ == State::tagged) scan(out);
  if (state_ == State::whole && held_.find_first_not_of(kSpace) != held_.npos) {
    const std::string_view object = trimmed(without_leading(trimmed(held_), kPythonTag));
    if (!object.empty() && object.front() == '{' && !may_be_call(object)) {
      state_ = State::text;
      scan(out);
    }
  }
  return out;
}

void ToolCallParser::begin(ToolPiece&) {
  const std::string_view text = trimmed(held_);
  if (text.empty()) return;
  for (const std::string_view mark : {kMistral, kPythonTag, kOpen})
    if (may_become(text, mark)) return;
  const bool is_whole = text.front() == '{' || text.substr(0, kMistral.size()) == kMistral ||
                        text.substr(0, kPythonTag.size()) == kPythonTag;
  state_ = is_whole ? State::whole : State::text;
}

bool ToolCallParser::take_tagged(ToolPiece& out) {
  const auto end = held_.find(kClose, kOpen.size());
  if (end == held_.npos) return false;
  const std::size_t length = end + kClose.size();
  const auto calls = calls_of(std::string_view(held_).substr(kOpen.size(), end - kOpen.size()));
  if (calls.empty())
    out.content += space_ + held_.substr(0, length);
  else
    out.calls.insert(out.calls.end(), calls.begin(), calls.end());
  held_.erase(0, length);
  state_ = State::text;
  return true;
}

void ToolCallParser::scan(ToolPiece& out) {
  for (;;) {
    if (state_ == State::tagged) {
      if (!take_tagged(out)) return;
      continue;
    }
    const auto open = held_.find(kOpen);
    if (open != held_.npos) {
      // White space before a call is the format's, not the answer's.
      const std::string_view before = std::string_view(held_).substr(0, open);
      const auto last = before.find_last_not_of(kSpace);
      const std::size_t end = last == before.npos ? 0 : last + 1;
      out.content += before.substr(0, end);
      space_ = before.substr(end);
      held_.erase(0, open);
      state_ = State::tagged;
      continue;
    }
    std::size_t keep = std::min(held_.size(), kOpen.size() - 1);
    while (keep > 0 && held_.compare(held_.size() - keep, keep, kOpen.substr(0, keep)) != 0) --keep;
    // White space may stand before a call.
    std::size_t end = held_.size() - keep;
    const auto last = std::string_view(held_).substr(0, end).find_last_not_of(kSpace);
    end = last == std::string_view::npos ? 0 : last + 1;
    out.content.append(held_, 0, end);
    held_.erase(0, end);
    return;
  }
}

ToolPiece ToolCallParser::finish() {
  ToolPiece out;
  if (state_ == State::whole || state_ == State::beginning) {
    std::string_view text = trimmed(held_);
    text = trimmed(without_leading(without_leading(text, kPythonTag), kMistral));
    out.calls = text.empty() ? std::vector<ToolCall>() : calls_of(text);
  }
  if (out.calls.empty()) out.content = (state_ == State::tagged ? space_ : "") + held_;
  held_.clear();
  state_ = State::beginning;
  return out;
}

}  // namespace gpumodel_openai

// Finds the tool calls that a model writes in its own format, in text that comes in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpumodel_openai {

struct ToolCall {
  std::string name;
  std::string arguments;  // a JSON object
};

struct ToolPiece {
  std::string content;
  std::vector<ToolCall> calls;
};

// The formats, told apart by what the text says:
//   <tool_call>{"name": ..., "arguments": {...}}</tool_call>, any number, anywhere (Hermes, Qwen)
//   [TOOL_CALLS][{"name": ..., "arguments": {...}}, ...] at the beginning (Mistral)
//   {"name": ..., "parameters": {...}} as the whole text, also behind <|python_tag|> (Llama 3)
// What looks like a call and is none comes out as content, nothing is lost. Only what may still
// become a call is held back.
class ToolCallParser {
 public:
  ToolPiece push(std::string_view text);
  // The text has ended.
  ToolPiece finish();

 private:
  enum class State { beginning, text, tagged, whole };

  void begin(ToolPiece& out);
  void scan(ToolPiece& out);
  bool take_tagged(ToolPiece& out);

  State state_ = State::beginning;
  std::string held_;
  std::string space_;  // before a tagged call that is not whole yet
};

}  // namespace gpumodel_openai

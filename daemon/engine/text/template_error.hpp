// The one error that chat templates raise, while parsing and while rendering.
#pragma once

#include <stdexcept>
#include <string>

namespace gpumodel::engine::text {

class TemplateError : public std::runtime_error {
 public:
  // `line` counts from 1; 0 where no line is to blame. what() is "template line N: reason".
  TemplateError(int line, const std::string& reason);

  int line() const noexcept { return line_; }
  // The bare reason. For raise_exception() it is the template's own message, unchanged.
  const std::string& reason() const noexcept { return reason_; }

 private:
  int line_;
  std::string reason_;
};

}  // namespace gpumodel::engine::text

// Why a schema, a regular expression or a grammar of a request is not served.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace gpumodel::engine::text::grammar {

// The message names what is at fault: the keyword and its JSON pointer, or the place in the text.
class Refusal : public std::runtime_error {
 public:
  enum class Kind {
    malformed,    // it is no schema, expression or grammar
    unsupported,  // it is one, and something in it would not be honoured
    too_large,    // it would take more memory or time than one request may
  };

  Refusal(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

}  // namespace gpumodel::engine::text::grammar

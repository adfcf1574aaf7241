// Errors as the protocol knows them: one code table, one exception type, one map on the wire.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace gpumodel::wire {

enum class Code : std::int32_t {
#define GPUMODEL_ERROR(name, constant, number, text) name = number,
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
};

// "busy"; "unknown" for a number that the table does not have.
std::string_view code_name(Code code) noexcept;
// The table's sentence.
std::string_view code_text(Code code) noexcept;
// Whether the same request may succeed later, as a rule.
bool code_retryable(Code code) noexcept;

// A request that cannot be served. Thrown where a request is handled and turned into a response in one
// place; an answer from an engine arrives as one, too. Its message says what is wrong and what to do.
class Error : public std::exception {
 public:
  Error(Code error_code, std::string error_message)
      : code(error_code), message(std::move(error_message)), retryable(code_retryable(error_code)) {}

  const char* what() const noexcept override { return message.c_str(); }

  Code code;
  std::string message;
  // One encoded MessagePack map of facts, or empty: see encode_map() in codec.hpp.
  std::string detail;
  bool retryable;
  std::optional<std::uint32_t> retry_after_ms;
};

// The peer broke the framing or a limit: the connection is of no more use. Not a bad request.
class FramingError : public std::exception {
 public:
  explicit FramingError(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

}  // namespace gpumodel::wire

#include "wire/error.hpp"

namespace gpumodel::wire {

std::string_view code_name(Code code) noexcept {
  switch (code) {
#define GPUMODEL_ERROR(name, constant, number, text) \
  case Code::name:                                   \
    return #name;
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
  }
  return "unknown";
}

std::string_view code_text(Code code) noexcept {
  switch (code) {
#define GPUMODEL_ERROR(name, constant, number, text) \
  case Code::name:                                   \
    return text;
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
  }
  return "An error that this version does not know.";
}

bool code_retryable(Code code) noexcept {
  switch (code) {
    case Code::busy:
    case Code::quota:
    case Code::draining:
    case Code::foreign:
    case Code::device:
    case Code::overrun:
    case Code::engine_lost:
    case Code::timeout:
    case Code::interrupted:
    case Code::no_daemon:
    case Code::disconnected:
      return true;
    default:
      return false;
  }
}

}  // namespace gpumodel::wire

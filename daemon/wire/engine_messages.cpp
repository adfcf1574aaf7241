#include "wire/engine_messages.hpp"

namespace gpumodel::wire {

bool carries_fd(const Frame& frame) {
  if (frame.kind != Frame::Kind::request) return false;
  if (frame.method == "fill") return true;
  return frame.method == "load" && find(frame.params, "image") != nullptr;
}

}  // namespace gpumodel::wire

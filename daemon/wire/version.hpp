// The version of this build, the same in gpumodeld and gpumodel-engine.
#pragma once

#include <string_view>

namespace gpumodel::wire {

// "1.0.0": the project's version; `start` refuses another one.
std::string_view build_version() noexcept;

}  // namespace gpumodel::wire

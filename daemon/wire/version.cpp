#include "wire/version.hpp"

namespace gpumodel::wire {

std::string_view build_version() noexcept { return GPUMODEL_VERSION; }

}  // namespace gpumodel::wire

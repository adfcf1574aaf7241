// For processors that have no kernels of ours yet: the ATen backend serves there.
#include "engine/device/backend.hpp"

namespace gpumodel::engine::device {

std::vector<std::string> cpu_kernels() { return {}; }

std::unique_ptr<Backend> make_cpu_backend(int, std::string_view) { return nullptr; }

}  // namespace gpumodel::engine::device

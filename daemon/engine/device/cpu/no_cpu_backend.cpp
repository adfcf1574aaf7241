// For processors that have no kernels of ours yet: the ATen backend serves there.
#include "engine/device/backend.hpp"

namespace gpumodel::engine::device {

std::unique_ptr<Backend> make_cpu_backend(int) { return nullptr; }

}  // namespace gpumodel::engine::device

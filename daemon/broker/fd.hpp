// A file descriptor that one object owns.
#pragma once

#include "os/fd.hpp"

namespace gpumodel::broker {

using UniqueFd = os::Fd;

}  // namespace gpumodel::broker

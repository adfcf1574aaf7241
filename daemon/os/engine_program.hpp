// Where gpumodel-engine is installed, for the programs that start it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

namespace gpumodel::os {

// Beside this program, or where packages put it. Where there is none, the place beside this program,
// which an attempt to start it will name.
inline std::string find_engine_program() {
  constexpr const char* kName = "gpumodel-engine";
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* folder : {".", "../libexec", "../lib/gpumodeld"}) {
    const auto path = (own / folder / kName).lexically_normal();
    if (::access(path.c_str(), X_OK) == 0) return path.string();
  }
  return (own / kName).string();
}

}  // namespace gpumodel::os

// A short program to its end, with what it wrote.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace gpumodelctl {

struct Captured {
  int exit = -1;  // 127: it could not be started; 128 + N after signal N; -1: killed at the limit
  std::string out;
  std::string err;
};

// Without input. Of each output the first megabyte is kept.
Captured capture(const std::vector<std::string>& words, std::chrono::milliseconds limit);

}  // namespace gpumodelctl

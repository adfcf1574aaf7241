// `gpumodel-engine --check`: whether a folder can be served, for a person or as JSON.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

namespace gpumodel::engine::server {

struct CheckRequest {
  std::string path;
  std::optional<std::string> adapter_path;
  std::string dtype = "auto";  // one of the protocol's
  bool json = false;
};

// Reads headers, tokenizer and template of the folder, and the adapter, and prints the report to
// `out`. All that is wrong goes to `err`, a line each; with `json` to `out` as {"error": {...},
// "problems": [...]}, the first in the protocol's fields and the words of all. Returns the exit
// status: 0, or 1 where the folder cannot be used.
int check(const CheckRequest& request, std::FILE* out, std::FILE* err);

}  // namespace gpumodel::engine::server

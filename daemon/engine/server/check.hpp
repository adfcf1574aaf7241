// `gpumodel-engine --check`: whether a folder can be served, for a person or as JSON.
#pragma once

#include <cstdio>
#include <string>

namespace gpumodel::engine::server {

// Reads headers, tokenizer and template of the folder and prints the report to `out`; what is wrong
// goes to `err`, with `json` to `out` as {"error": {...}} in the protocol's fields. Returns the
// exit status: 0, or 1 where the folder cannot be used. `dtype` is one of the protocol's.
int check(const std::string& path, const std::string& dtype, bool json, std::FILE* out,
          std::FILE* err);

}  // namespace gpumodel::engine::server

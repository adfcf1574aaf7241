// `tokenize`, `detokenize`, `render`: a model's text tools, without a lease and without its
// weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpumodelctl {

// Token ids as --tokens takes them: "1,2,3", blanks allowed. Throws a usage Failure.
std::vector<std::int32_t> parse_tokens(const std::string& text);

// Each prints its result, with `json` as {"tokens": [...]} or {"text": "..."}; returns an exit code
// and throws Failure.
int run_tokenize(const std::string& socket, const std::string& model, const std::string& text,
                 bool special, bool json);
int run_detokenize(const std::string& socket, const std::string& model,
                   const std::vector<std::int32_t>& tokens, bool json);
// `messages`: a JSON array of messages, or an object with `messages` and template values.
int run_render(const std::string& socket, const std::string& model, const std::string& messages,
               bool json);

}  // namespace gpumodelctl

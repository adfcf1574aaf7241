// For the compiler's and the matcher's sources only: here XGrammar shows.
#pragma once

#include <xgrammar/xgrammar.h>

#include <cstdint>
#include <vector>

#include "engine/text/grammar/compiler.hpp"

namespace gpumodel::engine::text::grammar {

struct CompiledGrammar {
  xgrammar::CompiledGrammar grammar;
  std::int32_t known_tokens;
  std::vector<std::int32_t> end_tokens;
  // Tokens that read otherwise where a text begins (a decoder takes off a first space).
  std::vector<std::int32_t> not_first;
};

}  // namespace gpumodel::engine::text::grammar

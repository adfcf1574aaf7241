// The fake engine's text: what stands for a tokenizer, a template and a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/messages.hpp"

namespace gpumodel::test {

// Tokens 0 to 255 are bytes; token 256 + k is the k-th word that a model says.
inline constexpr std::int32_t kFirstWordToken = 256;

std::vector<std::int32_t> fake_tokenize(const std::string& text);
// Throws wire::Error{bad_request} for a token out of the vocabulary.
std::string fake_detokenize(const std::vector<std::int32_t>& tokens, std::uint32_t vocab_size);
// "role: content" lines. Throws wire::Error{bad_request} for messages_json that is no JSON.
std::string fake_render(const wire::RenderInput& input);

// What a generation was asked, as text: the prompt, the rendered messages, or the detokenised
// tokens.
std::string fake_prompt_text(const wire::GenerationParams& params, std::uint32_t vocab_size);

// The k-th output token's text: "1:alpha " and "2:beta " for the prompt "alpha beta", round and
// round.
std::string fake_word(const std::string& prompt, std::uint32_t k);

}  // namespace gpumodel::test

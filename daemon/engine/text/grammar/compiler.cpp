#include "engine/text/grammar/compiler.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "engine/text/grammar/compiled_grammar.hpp"
#include "engine/text/grammar/grammar.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

// A state in which most tokens may follow costs each token some 0.4 us (measured on two cores):
// this is about twenty seconds at worst.
constexpr std::size_t kMaxTokensTimesStates = 50'000'000;
// Beyond so many bytes of EBNF the compiler alone takes seconds.
constexpr std::size_t kMaxEbnfBytes = 1 << 20;

Grammar grammar_of(const Constraint& constraint) {
  switch (constraint.kind) {
    case ConstraintKind::json_schema:
      return json_schema_grammar(constraint.text);
    case ConstraintKind::regex:
      return regex_grammar(constraint.text);
    case ConstraintKind::ebnf:
      break;
  }
  return ebnf_grammar(constraint.text);
}

std::string key_of(const Constraint& constraint) {
  return std::to_string(static_cast<int>(constraint.kind)) + constraint.text;
}

}  // namespace

struct Compiler::Vocabulary {
  xgrammar::TokenizerInfo tokens;
  std::vector<std::int32_t> not_first;
};

Compiler::Compiler(std::shared_ptr<const Tokenizer> tokenizer, std::int32_t known_tokens,
                   std::vector<std::int32_t> end_tokens, std::size_t most_kept_bytes)
    : tokenizer_(std::move(tokenizer)),
      known_tokens_(known_tokens),
      end_tokens_(std::move(end_tokens)),
      most_kept_bytes_(most_kept_bytes) {}

Compiler::~Compiler() = default;

CompiledPtr Compiler::find(const Constraint& constraint) {
  const std::string key = key_of(constraint);
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (found == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found);
  return found->compiled;
}

CompiledPtr Compiler::get(const Constraint& constraint) {
  const std::lock_guard lock(compiling_);
  if (CompiledPtr known = find(constraint)) return known;
  CompiledPtr compiled = compile(constraint);
  keep(key_of(constraint), compiled);
  return compiled;
}

void Compiler::keep(std::string key, CompiledPtr compiled) {
  const std::size_t bytes = key.size() + compiled->grammar.MemorySizeBytes();
  if (bytes > most_kept_bytes_) return;
  const std::lock_guard lock(mutex_);
  kept_.push_front({std::move(key), bytes, std::move(compiled)});
  std::size_t kept_bytes = 0;
  for (auto entry = kept_.begin(); entry != kept_.end();) {
    kept_bytes += entry->bytes;
    entry = kept_bytes > most_kept_bytes_ ? kept_.erase(entry) : std::next(entry);
  }
}

const Compiler::Vocabulary& Compiler::vocabulary() {
  if (vocabulary_ != nullptr) return *vocabulary_;
  std::optional<std::vector<std::string>> bytes = tokenizer_->token_bytes();
  if (!bytes)
    throw Refusal(Refusal::Kind::unsupported,
                  "the model's tokenizer puts spaces between tokens, so that no token has a text "
                  "of its own; json_schema, regex and grammar need another model");
  bytes->resize(static_cast<std::size_t>(known_tokens_));
  std::vector<std::int32_t> not_first;
  for (std::int32_t id = 0; id < known_tokens_; ++id) {
    const std::string& text = (*bytes)[static_cast<std::size_t>(id)];
    if (text.starts_with(' ') && tokenizer_->decode(std::span(&id, 1), true) != text)
      not_first.push_back(id);
  }
  vocabulary_ = std::make_unique<const Vocabulary>(
      Vocabulary{xgrammar::TokenizerInfo(*bytes, xgrammar::VocabType::RAW, known_tokens_,
                                         std::vector<std::int32_t>(end_tokens_)),
                 std::move(not_first)});
  return *vocabulary_;
}

CompiledPtr Compiler::compile(const Constraint& constraint) {
  const Grammar grammar = grammar_of(constraint);
  const auto tokens = static_cast<std::size_t>(known_tokens_);
  if (grammar.wide_states * tokens > kMaxTokensTimesStates || grammar.ebnf.size() > kMaxEbnfBytes)
    throw Refusal(Refusal::Kind::too_large,
                  "it takes too long to compile for this model's " + std::to_string(tokens) +
                      " tokens: free text of counted length, and keys that may not be certain "
                      "others, cost most (maxLength, minLength, pattern; additionalProperties: "
                      "false costs nothing)");
  const Vocabulary& known = vocabulary();
  const int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency() / 2));
  try {
    xgrammar::GrammarCompiler compiler(known.tokens, threads, /*cache_enabled=*/false);
    return std::make_shared<CompiledGrammar>(CompiledGrammar{
        compiler.CompileGrammar(grammar.ebnf), known_tokens_, end_tokens_, known.not_first});
  } catch (const std::runtime_error& error) {
    throw Refusal(Refusal::Kind::unsupported,
                  std::string("XGrammar does not take the grammar: ") + error.what());
  }
}

}  // namespace gpumodel::engine::text::grammar

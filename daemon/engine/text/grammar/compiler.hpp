// Constraints compiled for one model's vocabulary, and kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/text/grammar/refusal.hpp"
#include "engine/text/tokenizer.hpp"

namespace gpumodel::engine::text::grammar {

enum class ConstraintKind { json_schema, regex, ebnf };

struct Constraint {
  ConstraintKind kind;
  std::string text;  // "{}" as a schema: any JSON value
};

// What a Matcher runs on. Immutable, shared by any number of them.
struct CompiledGrammar;
using CompiledPtr = std::shared_ptr<const CompiledGrammar>;

// Of one model. Any thread.
class Compiler {
 public:
  // Ids from known_tokens on are never allowed, nor are special tokens but for `end_tokens`, which
  // are allowed where the text may end. What is compiled is kept, the least recently used goes
  // first beyond `most_kept_bytes`. The tokenizer's vocabulary is read at the first use (about half
  // a second for 150,000 tokens).
  Compiler(std::shared_ptr<const Tokenizer> tokenizer, std::int32_t known_tokens,
           std::vector<std::int32_t> end_tokens, std::size_t most_kept_bytes);
  ~Compiler();

  // Null where it must be compiled first. Does not wait for a compilation.
  CompiledPtr find(const Constraint& constraint);
  // Found or compiled; one compilation at a time, of seconds at most: what would take longer is
  // Refusal{too_large}. Throws Refusal.
  CompiledPtr get(const Constraint& constraint);

 private:
  struct Vocabulary;
  struct Entry {
    std::string key;
    std::size_t bytes;
    CompiledPtr compiled;
  };

  CompiledPtr compile(const Constraint& constraint);
  void keep(std::string key, CompiledPtr compiled);
  const Vocabulary& vocabulary();

  const std::shared_ptr<const Tokenizer> tokenizer_;
  const std::int32_t known_tokens_;
  const std::vector<std::int32_t> end_tokens_;
  const std::size_t most_kept_bytes_;
  std::mutex compiling_;  // held while compiling; guards vocabulary_
  std::unique_ptr<const Vocabulary> vocabulary_;
  std::mutex mutex_;       // guards kept_
  std::list<Entry> kept_;  // used last first
};

}  // namespace gpumodel::engine::text::grammar

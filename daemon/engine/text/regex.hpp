// The regular expressions of tokenizer.json: Oniguruma's language, run by PCRE2.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;
struct pcre2_real_jit_stack_8;

namespace gpumodel::engine::text {

// The pattern is malformed or uses what is not supported; what() says which, without the file.
struct BadPattern : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A pattern needed too much time or memory for one text. The model's fault, met while encoding.
struct RegexGaveUp : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct MatchRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// What one thread needs to match; costs an allocation or two, so keep and reuse it.
class MatchState {
 public:
  MatchState();
  ~MatchState();
  MatchState(MatchState&&) noexcept;
  MatchState& operator=(MatchState&&) noexcept;

 private:
  friend class Regex;
  struct Freer {
    void operator()(pcre2_real_match_context_8* context) const;
    void operator()(pcre2_real_match_data_8* data) const;
    void operator()(pcre2_real_jit_stack_8* stack) const;
  };
  std::unique_ptr<pcre2_real_jit_stack_8, Freer> stack_;
  std::unique_ptr<pcre2_real_match_context_8, Freer> context_;
  std::unique_ptr<pcre2_real_match_data_8, Freer> data_;
};

// Immutable, so any number of threads may match with one at a time.
class Regex {
 public:
  // `pattern` is in the language that regex_syntax.hpp accepts. Throws BadPattern.
  static Regex compile(std::string_view pattern);

  // `pattern` is in PCRE2's own language, and ours: nothing from a file. Throws BadPattern.
  static Regex compile_native(const std::string& pattern);

  // The leftmost match of well-formed UTF-8 at or after `from`, a character's start. Look-behind
  // sees all of `text`. `newer` is has_newer_characters() of the text, or true where unknown.
  // Throws RegexGaveUp.
  bool find(std::string_view text, std::size_t from, bool newer, MatchState& state,
            MatchRange& match) const;

 private:
  struct Freer {
    void operator()(pcre2_real_code_8* code) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, Freer>;

  static Code compile_pcre(const std::string& pattern);

  // The second one knows the characters that PCRE2's tables lack, at the price of time; it is null
  // where the pattern does not ask for any category.
  Code code_;
  Code code_for_newer_;
};

}  // namespace gpumodel::engine::text

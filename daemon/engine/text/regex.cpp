#include "engine/text/regex.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>

#include "engine/text/regex_syntax.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace gpumodel::engine::text {
namespace {

constexpr std::size_t kJitStackStartBytes = 32 * 1024;
constexpr std::size_t kJitStackMaxBytes = 1024 * 1024;
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;
// Oniguruma gives up after as many retries; plain scans of a long text get their length on top.
constexpr std::size_t kMatchLimit = 10'000'000;
constexpr std::size_t kMatchLimitPerByte = 16;
constexpr std::size_t kMaxMatchLimit = 1'000'000'000;

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

void MatchState::Freer::operator()(pcre2_real_match_context_8* context) const {
  pcre2_match_context_free(context);
}
void MatchState::Freer::operator()(pcre2_real_match_data_8* data) const {
  pcre2_match_data_free(data);
}
void MatchState::Freer::operator()(pcre2_real_jit_stack_8* stack) const {
  pcre2_jit_stack_free(stack);
}
void Regex::Freer::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

MatchState::MatchState()
    : stack_(pcre2_jit_stack_create(kJitStackStartBytes, kJitStackMaxBytes, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      data_(pcre2_match_data_create(1, nullptr)) {
  if (!context_ || !data_) throw std::bad_alloc();
  pcre2_set_heap_limit(context_.get(), kHeapLimitKib);
  // Without a stack PCRE2 falls back to 32 KiB of its own.
  if (stack_) pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
}
MatchState::~MatchState() = default;
MatchState::MatchState(MatchState&&) noexcept = default;
MatchState& MatchState::operator=(MatchState&&) noexcept = default;

Regex::Code Regex::compile_pcre(const std::string& pattern) {
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                          &offset, context.get()));
  if (!code) throw BadPattern("the regular expression is malformed: " + message_of(error));
  // A platform without a JIT matches by interpreting.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

Regex Regex::compile(std::string_view pattern) {
  Regex regex;
  const TranslatedPattern plain = translate_pattern(pattern, /*newer=*/false);
  regex.code_ = compile_pcre(plain.pattern);
  if (plain.uses_categories) {
    regex.code_for_newer_ = compile_pcre(translate_pattern(pattern, /*newer=*/true).pattern);
  }
  return regex;
}

Regex Regex::compile_native(const std::string& pattern) {
  Regex regex;
  regex.code_ = compile_pcre(pattern);
  return regex;
}

bool Regex::find(std::string_view text, std::size_t from, bool newer, MatchState& state,
                 MatchRange& match) const {
  const pcre2_code* code = newer && code_for_newer_ ? code_for_newer_.get() : code_.get();
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data() != nullptr ? text.data() : "");
  const std::size_t limit =
      std::min(kMatchLimit + kMatchLimitPerByte * (text.size() - from), kMaxMatchLimit);
  pcre2_set_match_limit(state.context_.get(), static_cast<std::uint32_t>(limit));
  int result = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, state.data_.get(),
                           state.context_.get());
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
    result = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         state.data_.get(), state.context_.get());
  }
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    throw RegexGaveUp("a regular expression of the tokenizer gave up on this text (" +
                      message_of(result) + ")");
  }
  const PCRE2_SIZE* const offsets = pcre2_get_ovector_pointer(state.data_.get());
  match = {offsets[0], offsets[1]};
  return true;
}

}  // namespace gpumodel::engine::text

// Errors of gpumodel.hpp, thrown or as values.
#pragma once

#include <gpumodel.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#if defined(__cpp_exceptions)
#define GPUMODEL_EXCEPTIONS 1
#else
#define GPUMODEL_EXCEPTIONS 0
#endif

namespace gpumodel {

// Codes that this header does not know are passed through: hence numbers, GM_E_*, not an enum.
using Code = gm_status;

inline std::uint32_t library_version() noexcept { return gm_version(); }
inline const char* code_name(Code code) noexcept { return gm_status_name(code); }
inline const char* code_text(Code code) noexcept { return gm_status_text(code); }

enum class ReleaseOutcome : std::uint32_t {
  kept = GM_RELEASE_KEPT,
  still_leased = GM_RELEASE_STILL_LEASED,
  kept_wanted = GM_RELEASE_KEPT_WANTED,
  freed = GM_RELEASE_FREED,
  unverified = GM_RELEASE_UNVERIFIED
};

struct ReleaseReport {
  ReleaseOutcome outcome{};
  std::uint32_t remaining_leases = 0;
  std::uint64_t expected_bytes = 0;
  std::uint64_t freed_bytes = 0;     // measured
  std::uint64_t residual_bytes = 0;  // expected and still not free
  std::chrono::milliseconds unload_time{0};
};

// What failed, why, and what to do. Cheap to copy.
class GM_API Error : public std::exception {
 public:
  Error(Code code, std::string_view message) : facts_(make(code, message)) {}
  Error(const Error&) noexcept = default;  // and no move, which would leave an empty one behind
  Error& operator=(const Error&) noexcept = default;

  Code code() const noexcept { return facts_->code; }
  // "GM_E_BUSY: " and the message.
  const char* what() const noexcept override { return facts_->what.c_str(); }
  std::string_view message() const noexcept {
    return std::string_view(facts_->what).substr(facts_->prefix_bytes);
  }
  // The daemon's facts for programs as JSON, by code as in PROTOCOL.md (missing bytes, near names,
  // holders of foreign memory, ...); "null" where there are none.
  const std::string& detail() const noexcept { return facts_->detail; }
  int sys_errno() const noexcept { return facts_->sys_errno; }  // 0: no system call failed
  bool retryable() const noexcept { return facts_->retryable; }
  // 0: unknown.
  std::chrono::milliseconds retry_after() const noexcept { return facts_->retry_after; }
  // With GM_E_RESIDUAL of a release, otherwise none.
  const std::optional<ReleaseReport>& report() const noexcept { return facts_->report; }

  // Of this thread's last call of gpumodel.h, which gave `code`.
  static Error last(Code code, std::optional<ReleaseReport> report = std::nullopt) {
    gm_error raw = GM_ERROR_INIT;
    gm_last_error(&raw);
    // Since the call nothing else was asked; but a call that found no memory for its error says
    // less.
    if (raw.status != code) return Error(code, gm_status_text(code));
    Error error(code, raw.message);
    error.facts_->sys_errno = raw.sys_errno;
    error.facts_->retryable = raw.retryable != 0;
    error.facts_->retry_after = std::chrono::milliseconds(raw.retry_after_ms);
    error.facts_->report = std::move(report);
    char* json = nullptr;
    if (gm_last_error_json(&json) == GM_OK) error.facts_->detail = detail_of(json);
    gm_free(json);
    return error;
  }

 private:
  struct Facts {
    Code code = GM_OK;
    int sys_errno = 0;
    bool retryable = false;
    std::chrono::milliseconds retry_after{0};
    std::size_t prefix_bytes = 0;
    std::string what;
    std::string detail = "null";
    std::optional<ReleaseReport> report;
  };

  static std::shared_ptr<Facts> make(Code code, std::string_view message) {
    auto facts = std::make_shared<Facts>();
    facts->code = code;
    facts->what = gm_status_name(code);
    facts->what += ": ";
    facts->prefix_bytes = facts->what.size();
    facts->what += message;
    return facts;
  }

  // The object is {code, name, message, detail, retryable, retry_after_ms}, written without spaces.
  // A quotation mark inside of a text has a backslash before it, so neither key is met in one; and
  // behind the detail there are only plain values.
  static std::string detail_of(std::string_view json) {
    constexpr std::string_view kBefore = ",\"detail\":", kBehind = ",\"retryable\":";
    const std::size_t start = json.find(kBefore), end = json.rfind(kBehind);
    if (start == json.npos || end == json.npos || end < start + kBefore.size()) return "null";
    return std::string(json.substr(start + kBefore.size(), end - start - kBefore.size()));
  }

  std::shared_ptr<Facts> facts_;
};

// Either a value or the Error that was there instead.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  // Where there is a value.
  T& operator*() & noexcept { return *value_; }
  const T& operator*() const& noexcept { return *value_; }
  T&& operator*() && noexcept { return *std::move(value_); }
  T* operator->() noexcept { return &*value_; }
  const T* operator->() const noexcept { return &*value_; }
  // Where there is none.
  const Error& error() const noexcept { return *error_; }

#if GPUMODEL_EXCEPTIONS
  // The value, or throws the Error.
  T& value() & { return throw_error(), *value_; }
  const T& value() const& { return throw_error(), *value_; }
  T&& value() && { return throw_error(), *std::move(value_); }
#endif

 private:
#if GPUMODEL_EXCEPTIONS
  void throw_error() const {
    if (!value_) throw *error_;
  }
#endif

  std::optional<T> value_;
  std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  const Error& error() const noexcept { return *error_; }
#if GPUMODEL_EXCEPTIONS
  void value() const {
    if (error_) throw *error_;
  }
#endif

 private:
  std::optional<Error> error_;
};

#if GPUMODEL_EXCEPTIONS
namespace detail {

// What on_event threw in this thread and nobody has been given yet.
inline std::exception_ptr& thrown_by_event() noexcept {
  thread_local std::exception_ptr thrown;
  return thrown;
}

}  // namespace detail

// No exception may pass the C library, so what on_event throws waits until the call that it ran in
// returns: then the throwing functions throw it, in place of their result. Those that begin with
// try_ leave it to this one, and to the next throwing function of the same thread. Of several the
// first is kept.
inline void rethrow_from_event() {
  if (detail::thrown_by_event())
    std::rethrow_exception(std::exchange(detail::thrown_by_event(), nullptr));
}

namespace detail {

template <class T>
T unwrap(Result<T> result) {
  rethrow_from_event();
  return std::move(result).value();
}
inline void unwrap(const Result<void>& result) {
  rethrow_from_event();
  result.value();
}

}  // namespace detail
#endif

}  // namespace gpumodel

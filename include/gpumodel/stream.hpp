// A running generation.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "request.hpp"

namespace gpumodel {

// Borrowed values, side by side.
template <class T>
class View {
 public:
  constexpr View() = default;
  constexpr View(const T* data, std::size_t size)
      : data_(data), size_(data != nullptr ? size : 0) {}
  constexpr const T* begin() const noexcept { return data_; }
  constexpr const T* end() const noexcept { return data_ + size_; }
  constexpr const T* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr const T& operator[](std::size_t index) const noexcept { return data_[index]; }

 private:
  const T* data_ = nullptr;
  std::size_t size_ = 0;
};

// What is in it is valid until the next call on its stream.
struct Chunk {
  std::string_view text;  // whole UTF-8 characters
  View<std::int32_t> tokens;
  View<float> logprobs;           // one a token; empty unless asked for
  View<std::int32_t> top_tokens;  // top_logprobs a token, likeliest first; empty unless asked for
  View<float> top_logprobs;
};

enum class Next { chunk, again, end };  // again: the timeout passed, and the stream goes on

class Stream {
 public:
  Stream() = default;

  // Writes `out` with Next::chunk only. The error that ended the stream comes again if asked again.
  Result<Next> try_next(Chunk& out, Timeout timeout = kWaitForever) {
    gm_chunk raw = GM_CHUNK_INIT;
    const Code code = gm_stream_next(stream_.get(), &raw, timeout.ms());
    if (code < 0) return Error::last(code);
    if (code != GM_OK) return code == GM_END ? Next::end : Next::again;
    out.text = std::string_view(raw.text, raw.text_len);
    out.tokens = View<std::int32_t>(raw.tokens, raw.token_count);
    out.logprobs = View<float>(raw.logprobs, raw.token_count);
    out.top_tokens = View<std::int32_t>(raw.top_tokens, raw.token_count * top_count_);
    out.top_logprobs = View<float>(raw.top_logprobs, raw.token_count * top_count_);
    return Next::chunk;
  }

  // Any thread; idempotent; the end follows.
  Result<void> try_cancel() {
    const Code code = gm_stream_cancel(stream_.get());
    if (code < 0) return Error::last(code);
    return {};
  }

  // GM_E_STATE before the end. After an error its finish is Finish::error.
  Result<Summary> try_summary() const {
    gm_result raw = GM_RESULT_INIT;
    const Code code = gm_stream_result(stream_.get(), &raw);
    if (code < 0) return Error::last(code);
    return detail::summary_of(raw);
  }

  // What is still to come, as one text.
  Result<Completion> try_read_all() {
    Completion completion;
    Chunk chunk;
    Result<Next> next = Next::again;
    while ((next = try_next(chunk)) && *next != Next::end) completion.text += chunk.text;
    if (!next) return next.error();
    Result<Summary> summary = try_summary();
    if (!summary) return summary.error();
    completion.summary = *summary;
    return completion;
  }

  // for (const Result<Chunk>& chunk : stream.try_chunks()): an Error is the last there is.
  class TryChunks;
  TryChunks try_chunks();

#if GPUMODEL_EXCEPTIONS
  Next next(Chunk& out, Timeout timeout = kWaitForever) {
    return detail::unwrap(try_next(out, timeout));
  }
  void cancel() { detail::unwrap(try_cancel()); }
  Summary summary() const { return detail::unwrap(try_summary()); }
  Completion read_all() { return detail::unwrap(try_read_all()); }

  // for (const Chunk& chunk : stream): each chunk when it comes; throws the error that ends it.
  // Beginning again goes on where the last loop left off.
  struct End {};
  class Iterator;
  Iterator begin();
  End end() const noexcept { return {}; }
#endif

  gm_stream* handle() const noexcept { return stream_.get(); }
  explicit operator bool() const noexcept { return stream_ != nullptr; }

 private:
  friend class Lease;
  Stream(gm_stream* stream, std::uint32_t top_count, detail::SharedHandler handler) noexcept
      : handler_(std::move(handler)), stream_(stream), top_count_(top_count) {}

  detail::SharedHandler handler_;
  detail::Owned<gm_stream> stream_;
  std::uint32_t top_count_ = 0;
};

#if GPUMODEL_EXCEPTIONS
class Stream::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Chunk;
  using difference_type = std::ptrdiff_t;
  using pointer = const Chunk*;
  using reference = const Chunk&;

  explicit Iterator(Stream* stream) : stream_(stream) { ++*this; }
  reference operator*() const noexcept { return chunk_; }
  pointer operator->() const noexcept { return &chunk_; }
  Iterator& operator++() {
    if (stream_->next(chunk_) == Next::end) stream_ = nullptr;
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, End) noexcept { return it.stream_ == nullptr; }
  friend bool operator!=(const Iterator& it, End) noexcept { return it.stream_ != nullptr; }

 private:
  Stream* stream_;
  Chunk chunk_;
};

inline Stream::Iterator Stream::begin() { return Iterator(this); }
#endif

class Stream::TryChunks {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Result<Chunk>;
    using difference_type = std::ptrdiff_t;
    using pointer = const Result<Chunk>*;
    using reference = const Result<Chunk>&;

    explicit Iterator(Stream* stream) : stream_(stream) { ++*this; }
    reference operator*() const noexcept { return chunk_; }
    pointer operator->() const noexcept { return &chunk_; }
    Iterator& operator++() {
      Chunk chunk;
      const Result<Next> next = chunk_ ? stream_->try_next(chunk) : Next::end;
      if (!next) {
        chunk_ = next.error();
      } else if (*next == Next::end) {
        stream_ = nullptr;
      } else {
        chunk_ = chunk;
      }
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::nullptr_t) noexcept {
      return it.stream_ == nullptr;
    }
    friend bool operator!=(const Iterator& it, std::nullptr_t) noexcept {
      return it.stream_ != nullptr;
    }

   private:
    Stream* stream_;
    Result<Chunk> chunk_ = Chunk{};
  };

  Iterator begin() const { return Iterator(stream_); }
  std::nullptr_t end() const noexcept { return nullptr; }

 private:
  friend class Stream;
  explicit TryChunks(Stream* stream) noexcept : stream_(stream) {}
  Stream* stream_;
};

inline Stream::TryChunks Stream::try_chunks() { return TryChunks(this); }

}  // namespace gpumodel

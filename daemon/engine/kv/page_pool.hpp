// Which pages of a key-value store are whose: ids only, no bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gpumodel::engine::kv {

// Tokens in one page, for every model and device.
inline constexpr std::int32_t kPageTokens = 32;

using PageId = std::int32_t;  // 0 .. capacity - 1

constexpr std::int64_t pages_for(std::int64_t tokens) {
  return (tokens + kPageTokens - 1) / kPageTokens;
}

// Counts the holders of each page. A page with none is free. Not thread-safe.
class PagePool {
 public:
  explicit PagePool(std::int32_t capacity_pages);

  std::int32_t capacity_pages() const { return static_cast<std::int32_t>(holders_.size()); }
  std::int32_t free_pages() const { return static_cast<std::int32_t>(free_.size()); }
  std::int32_t used_pages() const { return capacity_pages() - free_pages(); }

  // Appends `count` pages with one holder each to `pages`; false, and nothing is taken, where fewer
  // are free.
  [[nodiscard]] bool allocate(std::int64_t count, std::vector<PageId>& pages);

  // One holder more of a page that is in use.
  void retain(PageId page);

  // One holder less; the page is free after its last.
  void release(PageId page) noexcept;

  std::int32_t holders(PageId page) const { return holders_.at(static_cast<std::size_t>(page)); }

 private:
  std::vector<std::int32_t> holders_;
  std::vector<PageId> free_;  // a stack: the page that was freed last is warm
};

// One sequence's pages, in the order of its tokens: token t is slot t % kPageTokens of page t /
// kPageTokens. Gives its pages back when destroyed; the pool outlives it.
class PageTable {
 public:
  explicit PageTable(PagePool& pool) : pool_(&pool) {}
  PageTable(PageTable&& other) noexcept;
  PageTable& operator=(PageTable&& other) noexcept;
  ~PageTable() { truncate(0); }

  // Room for `tokens` tokens in all; false, and nothing changes, where the pool has too few pages.
  [[nodiscard]] bool reserve(std::int64_t tokens);

  // Gives back the pages that the first `tokens` tokens do not need.
  void truncate(std::int64_t tokens) noexcept;

  std::span<const PageId> pages() const { return pages_; }
  std::int64_t capacity_tokens() const {
    return static_cast<std::int64_t>(pages_.size()) * kPageTokens;
  }

 private:
  PagePool* pool_;
  std::vector<PageId> pages_;
};

}  // namespace gpumodel::engine::kv

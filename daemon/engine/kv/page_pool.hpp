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

// Gives up pages that it holds for later use only.
class Reclaimer {
 public:
  virtual ~Reclaimer() = default;
  // Releases so many reclaimable pages (PagePool), of which there are as many.
  virtual void reclaim(std::int64_t pages) = 0;
};

// Counts the holders of each page. A page with none is free; one that only the reclaimer holds is
// reclaimable, and as good as free. Not thread-safe.
class PagePool {
 public:
  explicit PagePool(std::int32_t capacity_pages);

  std::int32_t capacity_pages() const { return static_cast<std::int32_t>(holders_.size()); }
  std::int32_t free_pages() const { return static_cast<std::int32_t>(free_.size()); }
  std::int32_t used_pages() const { return capacity_pages() - free_pages(); }
  std::int32_t reclaimable_pages() const { return reclaimable_; }
  // What allocate() can give.
  std::int32_t available_pages() const { return free_pages() + reclaimable_; }

  // Borrowed, until it is replaced; nullptr for none.
  void set_reclaimer(Reclaimer* reclaimer) { reclaimer_ = reclaimer; }

  // Appends `count` pages with one holder each to `pages`; false, and nothing is taken, where fewer
  // are available.
  [[nodiscard]] bool allocate(std::int64_t count, std::vector<PageId>& pages);

  // One holder more of a page that is in use.
  void retain(PageId page);

  // One holder less; the page is free after its last.
  void release(PageId page) noexcept;

  // As retain and release, by the reclaimer: at most once for each page.
  void retain_cached(PageId page);
  void release_cached(PageId page) noexcept;

  std::int32_t holders(PageId page) const { return holders_.at(static_cast<std::size_t>(page)); }
  bool is_reclaimable(PageId page) const {
    return is_cached_.at(static_cast<std::size_t>(page)) && holders(page) == 1;
  }

 private:
  std::vector<std::int32_t> holders_;
  std::vector<bool> is_cached_;
  std::vector<PageId> free_;  // a stack: the page that was freed last is warm
  std::int32_t reclaimable_ = 0;
  Reclaimer* reclaimer_ = nullptr;
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

  // Takes over one hold of each of these pages, behind those that it has: of the next tokens.
  void adopt(std::span<const PageId> pages) {
    pages_.insert(pages_.end(), pages.begin(), pages.end());
  }

  // Another page with the same in it, in place of its own at `index`.
  void exchange(std::size_t index, PageId page);

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

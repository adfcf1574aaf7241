#include "engine/kv/page_pool.hpp"

#include <cassert>
#include <utility>

namespace gpumodel::engine::kv {

PagePool::PagePool(std::int32_t capacity_pages)
    : holders_(static_cast<std::size_t>(capacity_pages), 0), is_cached_(holders_.size()) {
  free_.reserve(holders_.size());
  for (PageId page = capacity_pages; page > 0; --page) free_.push_back(page - 1);
}

bool PagePool::allocate(std::int64_t count, std::vector<PageId>& pages) {
  if (count > available_pages()) return false;
  if (count > free_pages()) reclaimer_->reclaim(count - free_pages());
  assert(count <= free_pages());
  pages.reserve(pages.size() + static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const PageId page = free_.back();
    free_.pop_back();
    holders_[static_cast<std::size_t>(page)] = 1;
    pages.push_back(page);
  }
  return true;
}

void PagePool::retain(PageId page) {
  assert(holders(page) > 0);
  if (is_reclaimable(page)) --reclaimable_;
  ++holders_[static_cast<std::size_t>(page)];
}

void PagePool::release(PageId page) noexcept {
  auto& count = holders_[static_cast<std::size_t>(page)];
  assert(count > 0);
  // free_ has room for every page since the pool was made, so this never allocates.
  if (--count == 0) free_.push_back(page);
  if (is_reclaimable(page)) ++reclaimable_;
}

void PagePool::retain_cached(PageId page) {
  assert(!is_cached_.at(static_cast<std::size_t>(page)));
  retain(page);
  is_cached_[static_cast<std::size_t>(page)] = true;
}

void PagePool::release_cached(PageId page) noexcept {
  assert(is_cached_[static_cast<std::size_t>(page)]);
  if (is_reclaimable(page)) --reclaimable_;
  is_cached_[static_cast<std::size_t>(page)] = false;
  release(page);
}

PageTable::PageTable(PageTable&& other) noexcept
    : pool_(other.pool_), pages_(std::exchange(other.pages_, {})) {}

PageTable& PageTable::operator=(PageTable&& other) noexcept {
  if (this != &other) {
    truncate(0);
    pool_ = other.pool_;
    pages_ = std::exchange(other.pages_, {});
  }
  return *this;
}

bool PageTable::reserve(std::int64_t tokens) {
  const std::int64_t missing = pages_for(tokens) - static_cast<std::int64_t>(pages_.size());
  return missing <= 0 || pool_->allocate(missing, pages_);
}

void PageTable::exchange(std::size_t index, PageId page) {
  pool_->retain(page);
  pool_->release(pages_.at(index));
  pages_[index] = page;
}

void PageTable::truncate(std::int64_t tokens) noexcept {
  while (static_cast<std::int64_t>(pages_.size()) > pages_for(tokens)) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
}

}  // namespace gpumodel::engine::kv

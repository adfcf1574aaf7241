#include "engine/kv/prefix_cache.hpp"

#include <algorithm>
#include <string_view>

namespace gpumodel::engine::kv {
namespace {

std::size_t full_pages(std::size_t tokens) { return tokens / kPageTokens; }

}  // namespace

PrefixCache::PrefixCache(PagePool& pool) : pool_(pool) { pool_.set_reclaimer(this); }

PrefixCache::~PrefixCache() {
  while (!order_.empty()) drop(order_.begin());
  pool_.set_reclaimer(nullptr);
}

std::size_t PrefixCache::Hash::operator()(const Key& key) const noexcept {
  const auto mix = [](std::size_t seed, std::uint64_t value) {
    return (seed ^ static_cast<std::size_t>(value)) * 0x9e3779b97f4a7c15ull;
  };
  const std::string_view bytes(reinterpret_cast<const char*>(key.tokens.data()), sizeof key.tokens);
  std::size_t seed = std::hash<std::string_view>()(bytes);
  seed = mix(seed, key.parent);
  seed = mix(seed, key.owner.uid);
  return mix(seed, key.owner.adapter);
}

PrefixCache::Key PrefixCache::key_of(const PrefixOwner& owner, NodeId parent,
                                     std::span<const std::int32_t> tokens, std::size_t page) {
  Key key{owner, parent, {}};
  std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(page * kPageTokens), kPageTokens,
              key.tokens.begin());
  return key;
}

std::vector<PrefixCache::Order::iterator> PrefixCache::path(const PrefixOwner& owner,
                                                            std::span<const std::int32_t> tokens,
                                                            std::size_t most) const {
  std::vector<Order::iterator> found;
  NodeId parent = 0;
  while (found.size() < most) {
    const auto node = nodes_.find(key_of(owner, parent, tokens, found.size()));
    if (node == nodes_.end()) break;
    found.push_back(node->second);
    parent = node->second->id;
  }
  return found;
}

void PrefixCache::touch(const std::vector<Order::iterator>& path) {
  for (auto node = path.rbegin(); node != path.rend(); ++node)
    order_.splice(order_.begin(), order_, *node);
}

void PrefixCache::find(const PrefixOwner& owner, std::span<const std::int32_t> tokens,
                       std::vector<PageId>& pages) {
  if (tokens.empty()) return;
  const auto found = path(owner, tokens, full_pages(tokens.size() - 1));
  touch(found);
  for (const Order::iterator node : found) {
    pool_.retain(node->page);
    pages.push_back(node->page);
  }
}

std::size_t PrefixCache::count(const PrefixOwner& owner,
                               std::span<const std::int32_t> tokens) const {
  return tokens.empty() ? 0 : path(owner, tokens, full_pages(tokens.size() - 1)).size();
}

void PrefixCache::add(const PrefixOwner& owner, std::span<const std::int32_t> tokens,
                      PageTable& table) {
  const std::size_t all = full_pages(tokens.size());
  std::vector<Order::iterator> known = path(owner, tokens, all);
  for (std::size_t i = 0; i < known.size(); ++i)
    if (table.pages()[i] != known[i]->page) table.exchange(i, known[i]->page);
  while (known.size() < all) {
    const NodeId parent = known.empty() ? 0 : known.back()->id;
    const Key key = key_of(owner, parent, tokens, known.size());
    const PageId page = table.pages()[known.size()];
    pool_.retain_cached(page);
    order_.push_front({key, ++last_id_, page});
    nodes_.emplace(key, order_.begin());
    known.push_back(order_.begin());
  }
  touch(known);
}

PrefixCache::Order::iterator PrefixCache::drop(Order::iterator node) {
  pool_.release_cached(node->page);
  nodes_.erase(node->key);
  return order_.erase(node);
}

void PrefixCache::forget_adapter(std::uint64_t adapter) {
  for (auto node = order_.begin(); node != order_.end();)
    node = node->key.owner.adapter == adapter ? drop(node) : std::next(node);
}

void PrefixCache::reclaim(std::int64_t pages) {
  for (auto node = order_.end(); pages > 0 && node != order_.begin();) {
    --node;
    if (!pool_.is_reclaimable(node->page)) continue;
    node = drop(node);
    --pages;
  }
}

}  // namespace gpumodel::engine::kv

// Pages that are found again by what they hold: a request that begins as an earlier one did need
// not compute those tokens again.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/kv/page_pool.hpp"

namespace gpumodel::engine::kv {

// Whose pages they are. What one uid computed is neither found nor measurable by another, and keys
// and values depend on the adapter. The weights are those that the pool belongs to.
struct PrefixOwner {
  std::uint32_t uid = 0;
  std::uint64_t adapter = 0;  // never used for another one; 0: the weights alone

  bool operator==(const PrefixOwner&) const = default;
};

// A forest of full pages, one tree for each owner: a page's children hold the tokens that followed
// it. Tokens are compared, not only their hashes. A page is given up when the pool needs it, the
// one that was used least recently first, and never before those that follow it. Not thread-safe.
class PrefixCache final : public Reclaimer {
 public:
  // Becomes the pool's reclaimer; the pool outlives it.
  explicit PrefixCache(PagePool& pool);
  ~PrefixCache() override;
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Appends the pages of the longest prefix of `tokens` that is there, with one hold each for the
  // caller. At least the last token is always left to compute.
  void find(const PrefixOwner& owner, std::span<const std::int32_t> tokens,
            std::vector<PageId>& pages);

  // How many pages find() would give.
  std::size_t count(const PrefixOwner& owner, std::span<const std::int32_t> tokens) const;

  // Keeps the pages that `tokens` fill, which begin a sequence. Where the same is kept already, the
  // table takes that in place of its own: so whoever holds a page holds those before it as well.
  void add(const PrefixOwner& owner, std::span<const std::int32_t> tokens, PageTable& table);

  // Gives up all pages of an adapter that leaves.
  void forget_adapter(std::uint64_t adapter);

  void reclaim(std::int64_t pages) override;

  std::size_t pages() const { return nodes_.size(); }

 private:
  using Tokens = std::array<std::int32_t, kPageTokens>;
  using NodeId = std::uint64_t;  // 0: the root of an owner

  struct Key {
    PrefixOwner owner;
    NodeId parent;
    Tokens tokens;

    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Node {
    Key key;
    NodeId id;
    PageId page;
  };
  // Most recently used first. A node's parent is always nearer the front.
  using Order = std::list<Node>;

  static Key key_of(const PrefixOwner& owner, NodeId parent, std::span<const std::int32_t> tokens,
                    std::size_t page);
  // The nodes of the longest prefix of so many pages, in its order.
  std::vector<Order::iterator> path(const PrefixOwner& owner, std::span<const std::int32_t> tokens,
                                    std::size_t most) const;
  void touch(const std::vector<Order::iterator>& path);
  Order::iterator drop(Order::iterator node);

  PagePool& pool_;
  mutable Order order_;
  std::unordered_map<Key, Order::iterator, Hash> nodes_;
  NodeId last_id_ = 0;
};

}  // namespace gpumodel::engine::kv

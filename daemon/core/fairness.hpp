// Whose turn it is: deficit round robin over users by device time (Shreedhar and Varghese 1995, with
// costs that are known only afterwards, so that a credit may go below nothing). A pure value.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <set>

#include "core/types.hpp"

namespace gpumodel::core {

class Fairness {
 public:
  using Cost = std::chrono::microseconds;
  using Uid = std::uint32_t;

  // What each waiting user gets in a round; above 0.
  void set_quantum(Time quantum) { quantum_ = quantum; }

  // The user was served for this long while somebody else waited.
  void charge(Uid user, Cost cost);
  // One of its waiters had its turn: the others come first where they have as much credit.
  void had_turn(Uid user);
  // `active`: all users that have waiters or are being served. Who has neither credit
  // nor debt joins the round with as much as anybody has, which is a quantum at most. New rounds begin until somebody has credit; who is not there then loses
  // what it had left.
  void settle(const std::set<Uid>& active);

  // When the waiter with `ahead` waiters of its own user before it is to be served: the lowest first.
  struct Turn {
    std::int64_t round = 0;
    std::uint64_t place = 0;
    auto operator<=>(const Turn&) const = default;
  };
  Turn turn(Uid user, std::size_t ahead) const;

  Cost credit(Uid user) const;
  std::size_t known_users() const { return users_.size(); }

 private:
  struct User {
    Cost credit{0};
    std::uint64_t place = 0;  // in the ring
    bool active = false;
  };
  std::map<Uid, User> users_;
  Cost quantum_{std::chrono::seconds(1)};
  std::uint64_t last_place_ = 0;
};

}  // namespace gpumodel::core

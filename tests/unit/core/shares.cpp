#include "shares.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "box.hpp"

namespace gpumodel::test {
namespace {

// One of a user's connections: it asks again as soon as it has released.
struct Seat {
  SessionId session;
  ModelId model;
  RequestId request;
  LeaseId lease;
  RequestId use;
  std::optional<Time> ends;
};

struct User {
  std::vector<Seat> seats;  // two: while one is served, the other waits
  Time turn{0};
  std::optional<Time> starts;
  Time served{0};
  Time served_before{0};  // the last one came back
};

class Loop {
 public:
  explicit Loop(std::uint64_t seed) : random_(seed), world_(config()) {
    world_.device(100);
    const std::uint64_t users = 2 + random_() % 3;
    for (std::uint32_t uid = 1; uid <= users; ++uid) {
      User user;
      for (int seats = 0; seats < 2; ++seats) {
        Seat seat;
        seat.session = world_.session(uid);
        seat.model = world_.model(sized(60));
        user.seats.push_back(seat);
      }
      user.turn = Time(200 + random_() % 4000);
      users_.push_back(user);
    }
    for (User& user : users_) longest_ = std::max(longest_, user.turn);
  }

  std::optional<std::string> run() {
    while (world_.now() < Time{150'000}) {
      step();
      if (auto unfair = compare()) return unfair;
    }
    return std::nullopt;
  }

 private:
  static CoreConfig config() {
    CoreConfig config;
    config.min_residency = Time{1000};
    return config;
  }

  void step() {
    for (User& user : users_) {
      if (user.starts && *user.starts <= world_.now()) {
        user.starts.reset();
        returned_ = true;
        for (User& other : users_) other.served_before = other.served;
      }
      if (user.starts) continue;
      for (Seat& seat : user.seats) {
        if (!seat.request) seat.request = world_.acquire(seat.session, {seat.model});
      }
    }
    world_.settle();
    Time next = world_.now() + Time{5000};
    for (User& user : users_) {
      if (user.starts) next = std::min(next, *user.starts);
      for (Seat& seat : user.seats) {
        begin(user, seat);
        if (seat.ends) next = std::min(next, *seat.ends);
      }
    }
    world_.advance(next - world_.now());
    for (User& user : users_) {
      for (Seat& seat : user.seats) end(user, seat);
    }
  }

  void begin(const User& user, Seat& seat) {
    if (!seat.request || seat.ends || world_.granted(seat.request) == nullptr) return;
    seat.lease = world_.lease_of(seat.request);
    seat.use = world_.use(seat.lease);
    seat.ends = world_.now() + user.turn;
  }

  void end(User& user, Seat& seat) {
    if (!seat.ends || *seat.ends > world_.now()) return;
    world_.use_ended(seat.use);
    world_.release(seat.lease);
    user.served += user.turn;
    seat.request = RequestId{};
    seat.ends.reset();
    // The last of more than two has nothing to do for a minute, while the others wait for each
    // other.
    if (users_.size() > 2 && &user == &users_.back() && !returned_) user.starts = Time{60'000};
  }

  std::optional<std::string> compare() const {
    const Time bound = longest_ + config().min_residency;
    for (std::size_t i = 0; i < users_.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const User& a = users_[i];
        const User& b = users_[j];
        if (a.starts || b.starts) continue;
        // Who comes back finds others who had a turn more or less just then.
        const bool newcomer = returned_ && i + 1 == users_.size();
        const Time before = newcomer ? a.served_before - b.served_before : Time{0};
        const Time difference = a.served - b.served - before;
        if (std::max(difference, -difference) <= (newcomer ? 2 * bound : bound)) continue;
        return "shares differ by " + std::to_string(difference.count()) +
               " ms, the longest turn is " + std::to_string(longest_.count()) + " ms";
      }
    }
    return std::nullopt;
  }

  std::mt19937_64 random_;
  World world_;
  std::vector<User> users_;
  Time longest_{0};
  bool returned_ = false;
};

}  // namespace

std::optional<std::string> unfair_shares(std::uint64_t seed) {
  try {
    return Loop(seed).run();
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace gpumodel::test

#include "engine/batch/waiting.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

namespace {

using namespace gpumodel::engine::batch;
namespace kv = gpumodel::engine::kv;

struct Queue {
  kv::PagePool pool{1};
  std::vector<std::unique_ptr<Sequence>> all;
  Waiting waiting;

  Sequence& add(std::uint32_t uid, std::uint64_t lease) {
    all.push_back(std::make_unique<Sequence>(pool, kv::PrefixOwner{.uid = uid}, lease,
                                             std::vector<std::int32_t>{1}));
    waiting.add(*all.back());
    return *all.back();
  }
  Sequence* take(const std::vector<Sequence*>& running = {}) {
    Sequence* next = waiting.next(running);
    if (next != nullptr) waiting.take(*next);
    return next;
  }
};

BOOST_FIXTURE_TEST_SUITE(waiting, Queue)

BOOST_AUTO_TEST_CASE(uids_take_turns_whatever_their_crowds) {
  for (int i = 0; i < 10; ++i) add(1, 1);
  add(2, 1);
  add(2, 1);
  std::vector<std::uint32_t> order;
  while (Sequence* next = take()) order.push_back(next->uid());
  BOOST_TEST(order == (std::vector<std::uint32_t>{1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(leases_of_a_uid_take_turns) {
  for (int i = 0; i < 3; ++i) add(1, 5);
  add(1, 6);
  std::vector<std::uint64_t> order;
  while (Sequence* next = take()) order.push_back(next->lease());
  BOOST_TEST(order == (std::vector<std::uint64_t>{5, 6, 5, 5}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(whoever_has_the_fewest_running_is_next) {
  Sequence& running = add(1, 1);
  take();
  add(1, 1);
  Sequence& other = add(2, 1);
  BOOST_TEST(take({&running}) == &other);
}

// One that asks again as soon as it is answered does not keep the others waiting.
BOOST_AUTO_TEST_CASE(a_turn_is_remembered_where_nothing_waits_any_more) {
  add(1, 1);
  add(2, 1);
  BOOST_TEST(take()->uid() == 1u);
  add(1, 1);
  BOOST_TEST(take()->uid() == 2u);
  add(2, 1);
  BOOST_TEST(take()->uid() == 1u);
}

BOOST_AUTO_TEST_CASE(what_is_put_back_is_the_first_of_its_lease) {
  Sequence& first = add(1, 1);
  add(1, 1);
  take();
  waiting.put_back(first);
  BOOST_TEST(waiting.size() == 2u);
  BOOST_TEST(take() == &first);
}

BOOST_AUTO_TEST_CASE(what_is_removed_has_no_turn) {
  Sequence& first = add(1, 1);
  waiting.remove(first);
  waiting.remove(first);
  BOOST_TEST(waiting.empty());
  BOOST_TEST(take() == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

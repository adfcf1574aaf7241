#include "broker/supervision.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>

namespace core = gpumodel::core;
using gpumodel::broker::nothing_moves;
using gpumodel::broker::status_words;

namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

// A request waits, and nothing that it could wait for is there.
core::Snapshot stuck() {
  core::Snapshot snapshot;
  snapshot.devices.emplace_back().engine = core::DeviceRow::State::running;
  snapshot.models.emplace_back().state = core::ModelState::ready;
  snapshot.queue.emplace_back();
  return snapshot;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(supervision)

BOOST_AUTO_TEST_CASE(a_request_that_waits_for_nothing_is_a_defect) {
  BOOST_TEST(nothing_moves(stuck()));
}

BOOST_AUTO_TEST_CASE(whatever_may_end_the_waiting_is_something_that_moves) {
  using State = core::DeviceRow::State;
  const std::vector<std::function<void(core::Snapshot&)>> causes{
      [](core::Snapshot& s) { s.queue.clear(); },
      [](core::Snapshot& s) { s.leases.emplace_back(); },
      [](core::Snapshot& s) { s.yields.emplace_back(); },
      [](core::Snapshot& s) { s.models[0].state = core::ModelState::loading; },
      [](core::Snapshot& s) { s.models[0].state = core::ModelState::unloading; },
      [](core::Snapshot& s) { s.devices[0].engine = State::starting; },
      [](core::Snapshot& s) { s.devices[0].engine = State::backoff; },
      [](core::Snapshot& s) { s.devices[0].foreign_bytes = 1; },
      [](core::Snapshot& s) { s.devices[0].yielded_bytes = 1; },
      [](core::Snapshot& s) { s.devices[0].draining = true; }};
  for (const auto& cause : causes) {
    core::Snapshot snapshot = stuck();
    cause(snapshot);
    BOOST_TEST(!nothing_moves(snapshot));
  }
}

BOOST_AUTO_TEST_CASE(says_what_is_there_in_words) {
  core::Snapshot snapshot;
  BOOST_TEST(status_words(snapshot, 80 * kGiB) == "0 models ready, 0 B of 80 GiB, 0 leases");
  snapshot = stuck();
  snapshot.devices[0].used_bytes = 41 * kGiB;
  snapshot.leases.resize(1);
  BOOST_TEST(status_words(snapshot, 80 * kGiB) ==
             "1 model ready, 41 GiB of 80 GiB, 1 lease, 1 waiting");
}

BOOST_AUTO_TEST_SUITE_END()

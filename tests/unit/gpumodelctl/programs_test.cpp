#include "gpumodelctl/programs.hpp"

#include "gpumodelctl/top.hpp"
#include "support/testdata.hpp"

using namespace gpumodelctl;
using nlohmann::ordered_json;

namespace {

ordered_json sample() {
  return ordered_json::parse(R"({
    "daemon": {"version": "1.0.0", "pid": 1, "uptime_s": 90, "draining": false},
    "devices": [{"name": "cpu", "state": "ok", "capacity_bytes": 1000, "used_bytes": 400, "free_bytes": 600,
                 "engine": {"state": "running", "resident_bytes": 1048576}}],
    "models": [{"name": "concept", "state": "ready", "device": "cpu", "device_bytes": 400, "leases": 2,
                "waiting": 0, "since_ms": 5000},
               {"name": "other", "state": "unloaded", "leases": 0, "waiting": 1},
               {"name": "third", "state": "not_loaded", "leases": 0, "waiting": 0}],
    "leases": [
      {"id": 7, "model": "concept", "state": "held", "uid": 1000, "user": "alice", "pid": 99, "app": "pipeline",
       "age_ms": 61000, "idle_ms": 0, "output_tokens": 500},
      {"id": 8, "model": "concept", "state": "held", "uid": 1001, "user": null, "pid": 98, "app": "chat",
       "age_ms": 2000, "idle_ms": 1500, "output_tokens": 3}],
    "generations": [
      {"lease": 7, "state": "running", "age_ms": 3000, "first_token_ms": 1000, "output_tokens": 101},
      {"lease": 7, "state": "running", "age_ms": 5000, "first_token_ms": 1000, "output_tokens": 41},
      {"lease": 7, "state": "running", "age_ms": 5000, "first_token_ms": null, "output_tokens": null}],
    "queue": [{"position": 1, "models": ["other", "concept"], "uid": 1002, "user": "bob", "pid": 100,
      "waited_ms": 1500, "eta_ms": null, "reason": "memory that concept holds"}]})");
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr std::int64_t kNow = 1767225600000;  // 2026-01-01 00:00:00 UTC

std::vector<std::int64_t> pids(const std::vector<ProgramRow>& rows) {
  std::vector<std::int64_t> out;
  for (const ProgramRow& row : rows) out.push_back(row.pid);
  return out;
}

using Pids = std::vector<std::int64_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(programs_test)

BOOST_AUTO_TEST_CASE(leases_and_waiters_are_rows) {
  const auto rows = programs_of(sample());
  BOOST_REQUIRE(rows.size() == 3u);
  BOOST_TEST(rows[0].state == "generating");
  BOOST_TEST(rows[0].generations == 3u);
  BOOST_TEST(rows[0].command == "pipeline");  // process 1 is no gpumodeld: pids are not ours
  // 100 tokens in the 2 s after the first, and 40 in 4 s; the third says nothing.
  BOOST_TEST(rows[0].tokens_per_s.value() == 60.0);
  BOOST_TEST(rows[1].state == "idle");
  BOOST_TEST(rows[1].user == "1001");
  BOOST_TEST(!rows[1].tokens_per_s.has_value());
  BOOST_TEST(rows[2].state == "queued");
  BOOST_TEST(!rows[2].lease.has_value());
  BOOST_TEST(rows[2].models.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_table_says_who_holds_and_who_waits_for_what) {
  setenv("TZ", "UTC0", 1);
  const std::string text = programs_text(programs_of(sample()), kNow, View{});
  for (const char* part :
       {"PID  USER", "99  alice  pipeline", "2025-12-31 23:58:59", "500", "60.0", "generating",
        "idle 1.5 s", "other, concept", "queued #1: memory that concept holds"})
    BOOST_TEST(has(text, part), part << " is missing in\n" << text);
  BOOST_TEST(programs_text({}, kNow, View{}) == "No program holds a lease or waits for one.\n");
}

BOOST_AUTO_TEST_CASE(programs_sort_by_each_key_and_back) {
  const auto sorted = [](Order order, bool reversed) {
    auto rows = programs_of(sample());
    sort_programs(rows, order, reversed);
    return pids(rows);
  };
  BOOST_TEST((sorted(Order::age, false) == Pids{99, 98, 100}));
  BOOST_TEST((sorted(Order::age, true) == Pids{100, 98, 99}));
  BOOST_TEST((sorted(Order::tokens, false) == Pids{99, 98, 100}));
  BOOST_TEST((sorted(Order::rate, false) == Pids{99, 98, 100}));
  BOOST_TEST((sorted(Order::user, false) == Pids{98, 99, 100}));
  BOOST_TEST((sorted(Order::model, false) == Pids{99, 98, 100}));
  BOOST_TEST((sorted(Order::model, true) == Pids{100, 99, 98}));
  BOOST_TEST((sorted(Order::pid, false) == Pids{98, 99, 100}));
  Order order = Order::pid;
  BOOST_TEST((order_of('t', order) && order == Order::tokens));
  BOOST_TEST((!order_of('x', order) && order == Order::tokens));
}

BOOST_AUTO_TEST_CASE(a_frame_of_top_has_it_all) {
  const std::string text = top_text(sample(), Order::tokens, true, kNow, View{false, 100, false});
  for (const char* part :
       {"gpumodeld 1.0.0, up 1 min, 2 leases, 3 running, 1 in the queue", "[tokens]", "[reversed]",
        "cpu ok, engine running 1.00 MiB", "400 B of 1000 B used", "pipeline", "concept  ready",
        "other    unloaded", "2 models are not loaded"})
    BOOST_TEST(has(text, part), part << " is missing in\n" << text);
  BOOST_TEST(!has(text, "third"));
  BOOST_TEST(!has(top_text(ordered_json::object(), Order::age, false, kNow, View{}), "q quit"));
}

BOOST_AUTO_TEST_SUITE_END()

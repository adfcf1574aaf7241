#include "gpumodelctl/explain.hpp"

#include <cstdlib>
#include <ctime>

#include "gpumodelctl/events.hpp"
#include "support/testdata.hpp"

using namespace gpumodelctl;
using nlohmann::ordered_json;

namespace {

struct Utc {
  Utc() {
    setenv("TZ", "UTC0", 1);
    tzset();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(explain_test, Utc)

BOOST_AUTO_TEST_CASE(a_plan_lists_its_steps) {
  const auto plan =
      ordered_json::parse(R"({"fits": true, "error": null, "missing_bytes": 0, "steps": [
    {"action": "evict", "model": "attribute", "device": "cpu", "bytes": 268435456, "ms": 11},
    {"action": "load_from_host", "model": "concept", "device": "cpu", "bytes": 268435456, "ms": null}],
    "total_ms": 251})");
  BOOST_TEST(plan_text(plan, {"concept"}, View{}) ==
             "concept: fits, in about 251 ms\n"
             "\n"
             "STEP            MODEL      DEVICE    BYTES   TIME\n"
             "evict           attribute  cpu     256 MiB  11 ms\n"
             "load from host  concept    cpu     256 MiB      -\n");
}

BOOST_AUTO_TEST_CASE(a_plan_that_waits_or_fails_says_so) {
  auto plan = ordered_json::parse(
      R"({"fits": false, "error": null, "missing_bytes": 0, "steps": [], "total_ms": null})");
  BOOST_TEST(plan_text(plan, {"a", "b"}, View{}) ==
             "a, b: must wait for other holders; in an unknown time\n");
  plan["error"] = "never_fits";
  plan["missing_bytes"] = 3ull << 30;
  BOOST_TEST(plan_text(plan, {"a"}, View{}) ==
             "a: cannot be granted: never_fits, 3.00 GiB missing\n");
  BOOST_TEST((plan_text(plan, {"a"}, View{true, 0, false}).find("\033[31m") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(why_gives_the_reason_and_the_decisions) {
  const auto why = ordered_json::parse(R"({"model": "concept", "state": "suspended",
    "reason": "its idle leases made room for attribute", "decisions": [
      {"time_ms": 1767225600999, "action": "suspended", "reason": "attribute waits for its memory"}]})");
  BOOST_TEST(why_text(why, View{}) ==
             "concept is suspended: its idle leases made room for attribute\n"
             "\n"
             "WHEN                 DECISION   REASON\n"
             "2026-01-01 00:00:00  suspended  attribute waits for its memory\n");
}

BOOST_AUTO_TEST_CASE(an_event_is_one_line) {
  auto event = ordered_json::parse(R"({"seq": 42, "time_ms": 1767225600000, "type": "loaded",
    "model": "concept", "device": "cpu", "user": "alice", "bytes": 269107200, "ms": 240, "reason": "asked"})");
  BOOST_TEST(
      event_line(event, false) ==
      "2026-01-01 00:00:00  loaded          concept on cpu, 257 MiB in 240 ms: asked (user alice)");
  event = ordered_json::parse(R"({"seq": 43, "time_ms": 1767225600500, "type": "engine_lost",
    "model": null, "device": "cpu", "user": null, "bytes": null, "ms": null,
    "reason": "killed\u001b[2J\nby signal 9"})");
  BOOST_TEST(event_line(event, false) ==
             "2026-01-01 00:00:00  engine_lost     cpu: killed?[2J?by signal 9");
  BOOST_TEST(event_line(event, true).find("\033[31mengine_lost") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

#include "gpumodelctl/report.hpp"

#include "support/testdata.hpp"

using namespace gpumodelctl;
using nlohmann::ordered_json;

namespace {

ordered_json sample_status() {
  return ordered_json::parse(R"({
    "schema": 1,
    "daemon": {"version": "1.0.0", "protocol": 1, "pid": 42, "uptime_s": 90, "draining": false},
    "devices": [{"name": "cpu", "kind": "cpu", "state": "ok", "capacity_bytes": 1073741824,
      "reserve_bytes": 0, "foreign_bytes": 104857600, "yielded_bytes": 52428800, "draining": true, "used_bytes": 268435456, "free_bytes": 805306368,
      "engine": {"state": "running", "pid": 43, "restarts": 0, "resident_bytes": 402653184}}],
    "weights": [{"id": 3, "device": "cpu", "residency": "device", "tensor_bytes": 213909504,
      "kv_bytes": 20971520, "workspace_bytes": 1048576, "models": ["concept", "relationship"]}],
    "yields": [{"id": 4, "device": "cpu", "bytes": 52428800, "until_ms": null, "user": "carol", "pid": 77}],
    "models": [
      {"name": "concept", "state": "ready", "device": "cpu", "dtype": "bf16", "context_tokens": 8192,
       "device_bytes": 268435456, "pinned": true, "since_ms": 5000, "leases": 1, "waiting": 0, "load": {"ms": 210, "bytes": 268435456},
       "unload": null, "error": null},
      {"name": "broken", "state": "failed", "device": null, "dtype": null, "context_tokens": null,
       "device_bytes": null, "leases": 0, "waiting": 0, "load": null,
       "unload": {"ms": 9, "expected_bytes": 100, "freed_bytes": 60, "residual_bytes": 40},
       "error": {"code": -41, "name": "model_bad", "message": "config.json: no such file"}}],
    "leases": [{"id": 7, "epoch": 1, "model": "concept", "state": "held", "uid": 1000, "user": "alice",
      "pid": 99, "app": "pipeline", "age_ms": 61000, "idle_ms": 20}],
    "queue": [{"position": 1, "models": ["concept", "broken"], "uid": 1001, "user": "bob", "pid": 100,
      "waited_ms": 1500, "eta_ms": null, "reason": "memory that concept holds"}],
    "host_cache": {"capacity_bytes": 8589934592, "used_bytes": 1073741824}})");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(report_test)

BOOST_AUTO_TEST_CASE(a_status_shows_every_row_and_error) {
  const std::string text = status_text(sample_status(), View{});
  for (const char* part : {"gpumodeld 1.0.0, pid 42, up 1 min",
                           "1.00 GiB",
                           "running",
                           "concept",
                           "256 MiB in 210 ms",
                           "60 B in 9 ms, 40 B NOT BACK",
                           "broken: config.json: no such file",
                           "alice",
                           "pipeline",
                           "1 min",
                           "concept, broken",
                           "bob",
                           "memory that concept holds",
                           "ok, draining",
                           "100 MiB",
                           "50.0 MiB",
                           "204 MiB",
                           "20.0 MiB",
                           "concept, relationship",
                           "carol",
                           "its program ends",
                           "1.00 GiB of 8.00 GiB used"})
    BOOST_TEST(text.find(part) != std::string::npos, part << " is missing in\n" << text);
}

BOOST_AUTO_TEST_CASE(an_empty_daemon_says_so) {
  auto status = sample_status();
  for (const char* key : {"devices", "models", "leases", "queue"})
    status[key] = ordered_json::array();
  const std::string text = status_text(status, View{});
  for (const char* part : {"No devices.", "No models are configured.", "No leases."})
    BOOST_TEST(text.find(part) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(facts_that_a_daemon_does_not_give_are_dashes) {
  const std::string text = status_text(
      ordered_json::parse(R"({"daemon": {}, "devices": [{}], "models": [{}]})"), View{});
  BOOST_TEST(text.find("-") != std::string::npos);
  BOOST_TEST(models_text(ordered_json::object(), View{}) == "No models are configured.\n");
}

BOOST_AUTO_TEST_SUITE_END()

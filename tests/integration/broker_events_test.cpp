// What people see: events as they come and as they were, plan, why, and all of it as JSON.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "support/daemon_fixture.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using nlohmann::json;
using wire::Code;

namespace {

wire::EventsResult events_after(WireClient& peer, std::uint64_t seq, std::uint32_t limit = 1000) {
  return peer.call<wire::EventsResult>("events", wire::EventsParams{seq, limit});
}

std::vector<std::string> types(const std::vector<wire::Event>& events, const std::string& model) {
  std::vector<std::string> out;
  for (const wire::Event& event : events)
    if (event.model == model) out.push_back(event.type);
  return out;
}

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

json call_json(WireClient& peer, const std::string& method, const json& params) {
  const auto result =
      peer.call<wire::CallJsonResult>("call_json", wire::CallJsonParams{method, params.dump()});
  return json::parse(result.result);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(broker_events, DaemonFixture)

BOOST_AUTO_TEST_CASE(a_lease_leaves_its_trail_in_numbered_events) {
  model("m", kForty);
  start();
  auto peer = client();
  peer.release(peer.acquire("m"));
  const auto all = events_after(peer, 0);
  BOOST_REQUIRE(!all.events.empty());
  for (std::size_t i = 0; i < all.events.size(); ++i) BOOST_TEST(all.events[i].seq == i + 1);
  BOOST_TEST(all.next_seq == all.events.back().seq + 1);
  const auto seen = types(all.events, "m");
  for (const char* type : {"loading", "loaded", "granted", "unloading", "unloaded"})
    BOOST_TEST(has(seen, type), type);
  for (const wire::Event& event : all.events) {
    BOOST_TEST(event.time_ms > 1'600'000'000'000);
    if (event.type == "loaded") BOOST_TEST(event.device.value() == "cpu");
    if (event.type == "granted") BOOST_TEST(event.user.value() == "root");
  }
}

BOOST_AUTO_TEST_CASE(events_are_asked_for_from_a_number_on_and_at_most_so_many) {
  model("m", kForty);
  start();
  auto peer = client();
  peer.release(peer.acquire("m"));
  const auto all = events_after(peer, 0);
  const auto last_two = events_after(peer, 0, 2);
  BOOST_REQUIRE(last_two.events.size() == 2u);
  BOOST_TEST(last_two.events.back().seq == all.events.back().seq);
  const auto later = events_after(peer, all.events.front().seq);
  BOOST_TEST(later.events.size() == all.events.size() - 1);
  BOOST_TEST(events_after(peer, all.next_seq).events.empty());
  for (const std::uint32_t limit : {0u, 1001u})
    BOOST_TEST((peer.ask("events", wire::EventsParams{0, limit}).error().code == Code::invalid));
}

BOOST_AUTO_TEST_CASE(a_subscriber_is_told_what_happens_until_it_unsubscribes) {
  model("m", kForty);
  start();
  auto watcher = client(), peer = client();
  const auto next =
      watcher.call<wire::SubscribeResult>("events.subscribe", wire::SubscribeParams{true}).next_seq;
  const auto lease = peer.acquire("m");
  std::uint64_t seq = next;
  for (;;) {
    const auto event = wire::decode<wire::Event>(watcher.wait_notification("event").params);
    BOOST_TEST(event.seq == seq++);
    if (event.type == "granted") break;
  }
  watcher.call<wire::SubscribeResult>("events.subscribe", wire::SubscribeParams{false});
  peer.release(lease);
  BOOST_TEST(watcher.ask("status", wire::Empty{}).notifications.empty());
}

BOOST_AUTO_TEST_CASE(a_subscriber_that_does_not_read_misses_events_and_stays_connected) {
  model("m", R"({"tensor_bytes": 1000})", "auto_unload = false");
  start();
  auto watcher = client(), peer = client();
  watcher.call<wire::SubscribeResult>("events.subscribe", wire::SubscribeParams{true});
  // Each round is two events or more, of over 100 bytes; the limit and the socket hold some 10,000
  // of them.
  constexpr int kRounds = 8'000;
  for (int round = 0; round < kRounds; ++round) peer.release(peer.acquire("m"));
  std::uint64_t last = 0;
  bool gap = false;
  const auto next = events_after(peer, 0, 1).next_seq;
  const auto answer = watcher.ask("events", wire::EventsParams{0, 1});
  for (const wire::Frame& frame : answer.notifications) {
    const auto event = wire::decode<wire::Event>(frame.params);
    if (last != 0 && event.seq != last + 1) gap = true;
    last = event.seq;
  }
  BOOST_TEST((gap || last + 1 < next));
  BOOST_TEST(answer.result<wire::EventsResult>().next_seq == next);
}

BOOST_AUTO_TEST_CASE(plan_tells_what_a_grant_would_take) {
  model("a", kForty, "auto_unload = false");
  model("b", kForty);
  model("huge", R"({"tensor_bytes": 104857600})");
  start(kDevice, "min_residency = 0");
  auto peer = client();
  const auto plan = [&](std::vector<std::string> models) {
    return peer.call<wire::PlanResult>("plan", wire::PlanParams{std::move(models)});
  };
  BOOST_REQUIRE(eventually([&] { return model_row("huge").architecture.has_value(); }));
  const auto first = plan({"a"});
  BOOST_TEST(first.fits);
  BOOST_REQUIRE(first.steps.size() == 1u);
  BOOST_TEST(first.steps[0].action == "load");
  BOOST_TEST(first.steps[0].device.value() == "cpu");
  peer.release(peer.acquire("a"));
  BOOST_TEST(plan({"a"}).steps.at(0).action == "join");
  const auto second = plan({"b"});
  BOOST_TEST(second.fits);
  BOOST_REQUIRE(second.steps.size() == 2u);
  BOOST_TEST(second.steps[0].action == "evict");
  BOOST_TEST(second.steps[0].model == "a");
  BOOST_TEST(second.steps[1].action == "load");
  BOOST_TEST(second.steps[1].model == "b");
  const auto never = plan({"huge"});
  BOOST_TEST(!never.fits);
  BOOST_TEST(never.error.value() == "never_fits");
  BOOST_TEST(never.missing_bytes > 0u);
  BOOST_TEST(never.steps.empty());
  BOOST_TEST((peer.ask("plan", wire::PlanParams{{"none"}}).error().code == Code::no_model));
  BOOST_TEST((peer.ask("plan", wire::PlanParams{}).error().code == Code::invalid));
  BOOST_TEST(model_row("a").state == "ready");  // nothing was done
}

BOOST_AUTO_TEST_CASE(why_gives_the_state_and_the_last_decisions) {
  model("m", kForty);
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const auto why = [&] { return peer.call<wire::WhyResult>("why", wire::ModelParams{"m"}); };
  BOOST_TEST(why().state == "ready");
  BOOST_TEST(!why().reason.empty());
  peer.release(lease);
  const auto after = why();
  BOOST_TEST(after.state == "unloaded");
  BOOST_REQUIRE(!after.decisions.empty());
  BOOST_TEST(after.decisions.front().time_ms <= after.decisions.back().time_ms);
  for (int round = 0; round < 20; ++round) peer.release(peer.acquire("m"));
  BOOST_TEST(why().decisions.size() == 32u);
  BOOST_TEST((peer.ask("why", wire::ModelParams{"x"}).error().code == Code::no_model));
}

BOOST_AUTO_TEST_CASE(json_reaches_every_method_for_people) {
  model("m", kForty);
  start();
  auto peer = client();
  BOOST_REQUIRE(eventually([&] { return model_row("m").architecture.has_value(); }));
  BOOST_TEST(call_json(peer, "plan", {{"models", {"m"}}})["steps"][0]["action"] == "load");
  BOOST_TEST(call_json(peer, "why", {{"model", "m"}})["state"] == "not_loaded");
  BOOST_TEST(call_json(peer, "events", json::object()).contains("next_seq"));
  BOOST_TEST(call_json(peer, "pin", {{"model", "m"}})["pinned"] == true);
  BOOST_TEST(call_json(peer, "unload", {{"model", "m"}}).contains("outcome"));
  BOOST_TEST(call_json(peer, "drain", {{"device", "cpu"}, {"on", true}})["draining"] == true);
  BOOST_TEST(call_json(peer, "drain", {{"device", "cpu"}, {"on", false}})["draining"] == false);
  BOOST_TEST(call_json(peer, "prefetch", {{"models", {"m"}}})["models"][0]["model"] == "m");
  const json yielded =
      call_json(peer, "yield", {{"device", "cpu"}, {"bytes", 1000}, {"for_ms", 60000}});
  BOOST_TEST(yielded["until_ms"].is_number());
  BOOST_TEST(call_json(peer, "yield.end", {{"yield", yielded["yield"]}}).empty());
  for (const char* method : {"events.subscribe", "lease.acquire", "call_json", "nonsense"})
    BOOST_TEST((peer.ask("call_json", wire::CallJsonParams{method, "{}"}).error().code ==
                Code::unsupported));
}

BOOST_AUTO_TEST_SUITE_END()

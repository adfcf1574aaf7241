// Leases over real sockets and processes: granted, queued, refused, released, and what they cost.
#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

namespace {

constexpr std::uint64_t kNeed =
    41943040 + 1024 * 1024 + 65536;  // with KV of 1,024 tokens and workspace

wire::Error refusal(WireClient& client, const wire::AcquireParams& params) {
  const Answer answer = client.ask("lease.acquire", params);
  BOOST_REQUIRE(answer.failed());
  return answer.error();
}

struct Near {
  std::vector<std::string> near;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("near", self.near);
  }
};

struct Missing {
  std::uint64_t missing_bytes = 0, needed_bytes = 0, capacity_bytes = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("missing_bytes", self.missing_bytes);
    visit("needed_bytes", self.needed_bytes);
    visit("capacity_bytes", self.capacity_bytes);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(broker_lease, DaemonFixture)

BOOST_AUTO_TEST_CASE(hello_says_who_answers_and_with_which_limits) {
  start();
  auto peer = client();
  const auto hello = peer.hello();
  BOOST_TEST(hello.protocol == 1);
  BOOST_TEST(hello.daemon.pid == pid());
  BOOST_TEST(hello.limits.message_bytes == 16u << 20);
  BOOST_TEST(hello.limits.in_flight == 64u);
  BOOST_TEST(hello.max_wait_ms == 600'000);
  BOOST_TEST((peer.ask("hello", wire::HelloParams{}).error().code == Code::state));
  wire::HelloParams old;
  old.protocol = 0;
  BOOST_TEST((client().ask("hello", old).error().code == Code::version));
}

BOOST_AUTO_TEST_CASE(three_models_pass_through_a_device_that_holds_one) {
  for (const char* name : {"concept", "relationship", "attribute"}) model(name, kForty);
  start();
  auto peer = client();
  for (const char* name : {"concept", "relationship", "attribute"}) {
    const auto lease = peer.acquire(name);
    const auto during = status();
    BOOST_TEST(during.devices.at(0).used_bytes == kNeed);
    BOOST_TEST(model_row(name).state == "ready");
    const Answer answer = peer.wait(peer.generate(lease, "alpha beta", 3));
    BOOST_TEST(answer.result<wire::GenerateResult>().text.value() == "1:alpha 2:beta 3:alpha ");
    const auto report = peer.release(lease);
    BOOST_TEST(report.outcome == "freed");
    BOOST_TEST(report.expected_bytes == kNeed);
    BOOST_TEST(report.freed_bytes == kNeed);
    BOOST_TEST(report.residual_bytes == 0u);
    BOOST_TEST(status().devices.at(0).used_bytes == 0u);
    BOOST_TEST(model_row(name).state == "unloaded");
  }
}

BOOST_AUTO_TEST_CASE(waiters_are_served_first_in_first_out_and_the_peak_is_never_above) {
  for (const char* name : {"a", "b", "c"}) model(name, kForty);
  start();
  auto holder = client(), second = client(), third = client();
  const auto held = holder.acquire("a");
  auto params = wanted({"b"});
  params.progress = true;
  const auto second_id = second.send("lease.acquire", params);
  BOOST_TEST(second.read_frame().method == "lease.progress");
  const auto third_id = third.send("lease.acquire", wanted({"c"}));
  BOOST_REQUIRE(eventually([&] { return status().queue.size() == 2; }));
  const auto queue = status().queue;
  BOOST_TEST(queue[0].models.at(0) == "b");
  BOOST_TEST(queue[0].position == 1u);
  BOOST_TEST(queue[1].models.at(0) == "c");
  holder.release(held);
  const auto granted = second.wait(second_id).result<wire::AcquireResult>();
  BOOST_TEST(status().devices.at(0).used_bytes == kNeed);
  BOOST_TEST(status().queue.size() == 1u);
  second.release(granted.leases.at(0));
  BOOST_TEST(third.wait(third_id).result<wire::AcquireResult>().leases.at(0).model == "c");
}

BOOST_AUTO_TEST_CASE(what_can_never_fit_fails_at_once_with_the_missing_bytes) {
  model("huge", R"({"tensor_bytes": 104857600})");
  start();
  auto peer = client();
  const auto error = refusal(peer, wanted({"huge"}));
  BOOST_TEST((error.code == Code::never_fits));
  BOOST_TEST(!error.retryable);
  const auto detail = wire::decode_bytes<Missing>(error.detail);
  BOOST_TEST(detail.capacity_bytes == 64u << 20);
  BOOST_TEST(detail.needed_bytes > 104857600u);
  BOOST_TEST(detail.missing_bytes == detail.needed_bytes - detail.capacity_bytes);
}

BOOST_AUTO_TEST_CASE(without_time_to_wait_a_held_device_is_busy) {
  model("a", kForty);
  model("b", kForty);
  start();
  auto holder = client(), peer = client();
  const auto lease = holder.acquire("a");
  BOOST_TEST((refusal(peer, wanted({"b"}, 0)).code == Code::busy));
  BOOST_TEST((refusal(peer, wanted({"b"}, 30)).code == Code::busy));
  holder.release(lease);
  BOOST_TEST(peer.acquire("b", 0).model == "b");
}

BOOST_AUTO_TEST_CASE(an_unknown_model_lists_near_names) {
  model("concept", kForty);
  start();
  auto peer = client();
  const auto error = refusal(peer, wanted({"concpt"}));
  BOOST_TEST((error.code == Code::no_model));
  BOOST_TEST(error.message == "no model \"concpt\"; did you mean concept?");
  BOOST_TEST(wire::decode_bytes<Near>(error.detail).near == std::vector<std::string>{"concept"},
             boost::test_tools::per_element());
  BOOST_TEST((refusal(peer, wanted({})).code == Code::invalid));
  BOOST_TEST(
      (refusal(peer, wanted(std::vector<std::string>(17, "concept"))).code == Code::invalid));
}

BOOST_AUTO_TEST_CASE(a_model_of_other_users_is_denied) {
  model("secret", kForty, "users = [\"daemon\"]");
  model("open", kForty, "users = [\"root\", \"daemon\"]");
  start();
  if (::getuid() == 0) {
    auto peer = client();
    BOOST_TEST((refusal(peer, wanted({"secret"})).code == Code::denied));
    BOOST_TEST(peer.acquire("open").model == "open");
  }
}

BOOST_AUTO_TEST_CASE(a_lease_ceiling_is_cut_to_the_models_context_and_holds) {
  model("a", R"({"context_tokens": 100})");
  start();
  auto peer = client();
  auto params = wanted({"a"});
  params.context_tokens = 5000;
  BOOST_TEST(peer.call<wire::AcquireResult>("lease.acquire", params).leases.at(0).context_tokens ==
             100u);
  params.context_tokens = 10;
  const auto small = peer.call<wire::AcquireResult>("lease.acquire", params).leases.at(0);
  BOOST_TEST(small.context_tokens == 10u);
  const auto result = peer.wait(peer.generate(small, "12345", -1)).result<wire::GenerateResult>();
  BOOST_TEST(result.finish == "length");
  BOOST_TEST(result.usage.output_tokens == 5u);
  BOOST_TEST(
      (peer.wait(peer.generate(small, "12345678901", -1)).error().code == Code::prompt_too_long));
}

BOOST_AUTO_TEST_CASE(several_leases_and_models_at_once) {
  model("a", R"({"tensor_bytes": 10485760})");
  model("b", R"({"tensor_bytes": 10485760})");
  start();
  auto peer = client();
  const auto leases =
      peer.call<wire::AcquireResult>("lease.acquire", wanted({"a", "b", "a"})).leases;
  BOOST_REQUIRE(leases.size() == 3u);
  BOOST_TEST(leases[0].model == "a");
  BOOST_TEST(leases[1].model == "b");
  BOOST_TEST(leases[0].lease != leases[2].lease);
  BOOST_TEST(model_row("a").leases == 2u);
  const auto first = peer.release(leases[0]);
  BOOST_TEST(first.outcome == "still_leased");
  BOOST_TEST(first.remaining_leases == 1u);
  BOOST_TEST(peer.release(leases[2]).outcome == "freed");
  BOOST_TEST((peer.ask("lease.release", wire::ReleaseParams{leases[0].lease, leases[0].epoch})
                  .error()
                  .code == Code::lease_lost));
  auto other = client();
  BOOST_TEST((other.ask("lease.release", wire::ReleaseParams{leases[1].lease, leases[1].epoch})
                  .error()
                  .code == Code::lease_lost));
}

BOOST_AUTO_TEST_CASE(an_unleased_model_is_kept_until_its_memory_is_needed) {
  model("kept", kForty, "auto_unload = false");
  model("other", kForty);
  start(kDevice, "min_residency = 0");
  auto peer = client();
  BOOST_TEST(peer.release(peer.acquire("kept")).outcome == "kept");
  BOOST_TEST(model_row("kept").state == "ready");
  BOOST_TEST(peer.acquire("other", 0).model == "other");
  BOOST_TEST(model_row("kept").state != "ready");
}

BOOST_AUTO_TEST_CASE(memory_that_does_not_come_back_is_an_error_of_the_release) {
  model("leaky", R"({"tensor_bytes": 41943040, "residual_bytes": 20971520})");
  start(kDevice, "residual_threshold = \"1 MiB\"");
  auto peer = client();
  const auto lease = peer.acquire("leaky");
  const Answer answer = peer.ask("lease.release", wire::ReleaseParams{lease.lease, lease.epoch});
  BOOST_REQUIRE(answer.failed());
  BOOST_TEST((answer.error().code == Code::residual));
  BOOST_TEST(wire::decode_bytes<wire::ReleaseResult>(answer.error().detail).residual_bytes ==
             20971520u);
}

BOOST_AUTO_TEST_CASE(a_bad_model_says_why_and_is_read_again_when_it_was_mended) {
  model("m", R"({"fail": "inspect"})");
  start();
  auto peer = client();
  const auto error = refusal(peer, wanted({"m"}));
  BOOST_TEST((error.code == Code::model_bad));
  BOOST_TEST(error.message.find("config.json: made to fail") != std::string::npos);
  BOOST_TEST(error.message.find(path("models")) == std::string::npos);  // no paths to clients
  BOOST_TEST(model_row("m").state == "failed");
  write_fake("m", "{}");
  BOOST_TEST(peer.acquire("m").model == "m");
}

BOOST_AUTO_TEST_CASE(files_that_changed_are_read_anew_before_a_load) {
  model("m", R"({"tensor_bytes": 1048576})");
  start();
  auto peer = client();
  BOOST_TEST(peer.release(peer.acquire("m")).expected_bytes < 4u << 20);
  write_fake("m", R"({"tensor_bytes": 20971520, "context_tokens": 1024})");
  BOOST_TEST(peer.release(peer.acquire("m")).expected_bytes > 20u << 20);
}

BOOST_AUTO_TEST_CASE(models_of_one_folder_share_their_weights) {
  model("a", kForty);
  start("[devices.cpu]\nmemory = \"64 MiB\"\n[models.twin]\npath = \"models/a\"\n");
  auto peer = client();
  const auto first = peer.acquire("a", 0);
  const auto second = peer.acquire("twin", 0);  // would not fit beside
  BOOST_TEST(status().devices.at(0).used_bytes == kNeed);
  BOOST_TEST(peer.release(first).outcome != "freed");
  BOOST_TEST(peer.release(second).outcome == "freed");
}

BOOST_AUTO_TEST_CASE(without_a_device_the_daemon_says_so) {
  model("m", "{}");
  start("");
  auto peer = client();
  BOOST_TEST((refusal(peer, wanted({"m"})).code == Code::device));
  BOOST_TEST(status().devices.empty());
}

BOOST_AUTO_TEST_CASE(a_waiting_acquire_is_cancelled) {
  model("a", kForty);
  model("b", kForty);
  start();
  auto holder = client(), peer = client();
  const auto lease = holder.acquire("a");
  const auto id = peer.send("lease.acquire", wanted({"b"}));
  BOOST_REQUIRE(eventually([&] { return status().queue.size() == 1; }));
  peer.cancel(id);
  BOOST_TEST((peer.wait(id).error().code == Code::interrupted));
  BOOST_TEST(status().queue.empty());
  holder.release(lease);
}

BOOST_AUTO_TEST_CASE(generations_stream_stop_cancel_and_keep_their_deadline) {
  model("m", R"({"token_ms": 2})");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const Answer streamed = peer.wait(peer.generate(lease, "alpha", 3, /*stream=*/true));
  std::string text;
  for (const auto& note : streamed.notifications) {
    const auto chunk = wire::decode<wire::GenerateChunk>(note.params);
    BOOST_TEST(chunk.request == streamed.frame.id);
    text += chunk.text;
  }
  BOOST_TEST(text == "1:alpha 2:alpha 3:alpha ");
  BOOST_TEST(streamed.result<wire::GenerateResult>().finish == "length");

  const auto cancelled = peer.generate(lease, "alpha", 900, /*stream=*/true);
  BOOST_TEST(peer.read_frame().method == "generate.chunk");
  peer.cancel(cancelled);
  BOOST_TEST(peer.wait(cancelled).result<wire::GenerateResult>().finish == "cancelled");

  wire::GenerateParams late;
  late.lease = lease.lease;
  late.epoch = lease.epoch;
  late.generation.prompt = "alpha";
  late.generation.deadline_ms = 30;
  BOOST_TEST(peer.call<wire::GenerateResult>("generate", late).finish == "deadline");

  const auto running = peer.generate(lease, "alpha", 900);
  peer.release(lease);
  BOOST_TEST(peer.wait(running).result<wire::GenerateResult>().finish == "cancelled");
  BOOST_TEST((peer.wait(peer.generate(lease, "alpha", 1)).error().code == Code::lease_lost));
}

BOOST_AUTO_TEST_CASE(wrong_parameters_are_errors_and_the_connection_lives) {
  model("m", "{}");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  wire::GenerateParams params;
  params.lease = lease.lease;
  params.epoch = lease.epoch;
  BOOST_TEST((peer.ask("generate", params).error().code == Code::invalid));  // no prompt
  params.generation.prompt = "x";
  params.generation.temperature = 1000;
  BOOST_TEST((peer.ask("generate", params).error().code == Code::invalid));
  params.generation.temperature.reset();
  params.generation.regex = "a*";
  params.generation.json_schema = "{}";
  BOOST_TEST((peer.ask("generate", params).error().code == Code::invalid));  // one constraint
  BOOST_TEST((peer.ask("no.such.method", wire::Empty{}).error().code == Code::unsupported));
  BOOST_TEST(peer.release(lease).outcome == "freed");
}

BOOST_AUTO_TEST_CASE(text_methods_need_no_weights) {
  model("m", "{}");
  start();
  auto peer = client();
  using Tokenize = wire::TextParams<wire::TextTarget, wire::TokenizeInput>;
  Tokenize by_name;
  by_name.target.model = "m";
  by_name.input.text = "abc";
  BOOST_TEST(peer.call<wire::TokensResult>("tokenize", by_name).tokens ==
                 (std::vector<std::int32_t>{97, 98, 99}),
             boost::test_tools::per_element());
  wire::TextParams<wire::TextTarget, wire::DetokenizeInput> back;
  back.target.model = "m";
  back.input.tokens = {97, 98};
  BOOST_TEST(peer.call<wire::TextResult>("detokenize", back).text == "ab");
  back.input.tokens = {100'000};
  BOOST_TEST((peer.ask("detokenize", back).error().code == Code::bad_request));
  wire::TextParams<wire::TextTarget, wire::RenderInput> render;
  render.target.model = "m";
  render.input.messages = std::vector<wire::Message>{{"user", "hi"}};
  BOOST_TEST(peer.call<wire::TextResult>("render", render).text.find("user: hi") !=
             std::string::npos);
  BOOST_TEST(engine_pid() == 0);
  BOOST_TEST(model_row("m").state == "not_loaded");

  const auto lease = peer.acquire("m");
  Tokenize by_lease;
  by_lease.target.lease = lease.lease;
  by_lease.target.epoch = lease.epoch;
  by_lease.input.text = "a";
  BOOST_TEST(peer.call<wire::TokensResult>("tokenize", by_lease).tokens.size() == 1u);
  auto stranger = client();
  BOOST_TEST((stranger.ask("tokenize", by_lease).error().code == Code::lease_lost));
  by_lease.target.model = "m";
  BOOST_TEST((peer.ask("tokenize", by_lease).error().code == Code::invalid));
}

BOOST_AUTO_TEST_CASE(call_json_reaches_the_reading_methods) {
  model("m", "{}");
  start();
  auto peer = client();
  const auto call = [&](const std::string& method, const std::string& params) {
    return peer.ask("call_json", wire::CallJsonParams{method, params});
  };
  BOOST_TEST(
      call("tokenize", R"({"model": "m", "text": "ab"})").result<wire::CallJsonResult>().result ==
      R"({"tokens":[97,98]})");
  BOOST_TEST(call("status", "{}").result<wire::CallJsonResult>().result.find("\"schema\":1") !=
             std::string::npos);
  BOOST_TEST(call("hello", "{}").result<wire::CallJsonResult>().result.find("\"features\"") !=
             std::string::npos);
  BOOST_TEST((call("lease.acquire", R"({"models": ["m"]})").error().code == Code::unsupported));
  BOOST_TEST((call("tokenize", R"({"model": "x"})").error().code == Code::no_model));
  BOOST_TEST((call("status", "[").error().code == Code::invalid));
}

BOOST_AUTO_TEST_SUITE_END()

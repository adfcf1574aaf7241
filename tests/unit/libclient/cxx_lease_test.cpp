// gpumodel.hpp: leases, whole texts, text tools.
#include <atomic>
#include <cmath>
#include <gpumodel.hpp>
#include <thread>
#include <type_traits>

#include "cxx_support.hpp"

using namespace gpumodel::test;
using namespace std::chrono_literals;

static_assert(std::is_nothrow_move_constructible_v<gpumodel::Lease>);
static_assert(!std::is_copy_constructible_v<gpumodel::Lease>);

namespace {

json whole(const std::string& text, const std::string& finish = "stop") {
  json result = finished(finish);
  result["text"] = text;
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cxx_lease)

BOOST_AUTO_TEST_CASE(is_acquired_described_and_released) {
  FakeDaemon daemon([](Connection& c) {
    c.greet({"lease.wait_foreign"});
    const Incoming plain = c.expect("lease.acquire");
    if (plain.params != json{{"models", {"concept"}}}) throw std::runtime_error("not the defaults");
    c.grant(plain);
    const Incoming full = c.expect("lease.acquire");
    if (full.params != json{{"models", {"a", "b"}},
                            {"wait_ms", 2500},
                            {"context_tokens", 100},
                            {"only_if_ready", true},
                            {"wait_foreign", true}})
      throw std::runtime_error("other options: " + full.params.dump());
    c.fail(full, -43, "busy");
    c.respond(c.expect("lease.release"), {{"outcome", "freed"},
                                          {"remaining_leases", 0},
                                          {"expected_bytes", 1000},
                                          {"freed_bytes", 990},
                                          {"residual_bytes", 10},
                                          {"unload_ms", 12}});
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  const gpumodel::LeaseInfo info = lease.info();
  BOOST_TEST(info.id == 7u);
  BOOST_TEST(info.epoch == 3u);
  BOOST_TEST((info.state == gpumodel::LeaseState::held));
  BOOST_TEST(info.context_tokens == 2048u);
  BOOST_TEST(info.model == "concept");
  gpumodel::LeaseOptions options;
  options.wait = 2500ms;
  options.context_tokens = 100;
  options.only_if_ready = true;
  options.wait_foreign = true;
  BOOST_TEST(client.try_acquire_all({"a", "b"}, options).error().code() == GM_E_BUSY);
  const std::optional<gpumodel::ReleaseReport> report = lease.release();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST((report->outcome == gpumodel::ReleaseOutcome::freed));
  BOOST_TEST(report->expected_bytes == 1000u);
  BOOST_TEST(report->freed_bytes == 990u);
  BOOST_TEST(report->residual_bytes == 10u);
  BOOST_TEST((report->unload_time == 12ms));
  BOOST_TEST(lease.try_complete("x").error().code() == GM_E_STATE);
  const std::string nul("a\0b", 3);
  BOOST_TEST(client.try_acquire(nul).error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_acquire_all({}).error().code() == GM_E_INVALID);
}

BOOST_AUTO_TEST_CASE(the_destructor_releases_and_a_residual_has_a_report) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.grant(c.expect("lease.acquire"));
    c.release(c.expect("lease.release"));
    c.grant(c.expect("lease.acquire"));
    c.fail(c.expect("lease.release"), -48, "residual",
           {{"outcome", "freed"}, {"residual_bytes", 77}});
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  { const gpumodel::Lease scoped = client.acquire("concept"); }
  gpumodel::Lease lease = client.acquire("concept");
  try {
    lease.release();
    BOOST_ERROR("no residual");
  } catch (const gpumodel::Error& error) {
    BOOST_TEST(error.code() == GM_E_RESIDUAL);
    BOOST_REQUIRE(error.report().has_value());
    BOOST_TEST(error.report()->residual_bytes == 77u);
    BOOST_TEST(json::parse(error.detail()).at("residual_bytes") == 77);
  }
}

BOOST_AUTO_TEST_CASE(begin_and_release_do_not_wait) {
  std::atomic<bool> go{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet();
    const Incoming acquire = c.expect("lease.acquire");
    while (!go) std::this_thread::sleep_for(1ms);
    c.grant(acquire);
    go = false;
    const Incoming release = c.expect("lease.release");
    while (!go) std::this_thread::sleep_for(1ms);
    c.release(release);
    c.fail(c.expect("lease.acquire"), -43, "busy");
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  std::vector<gpumodel::Lease> leases = client.begin({"a", "b"});
  BOOST_REQUIRE(leases.size() == 2u);
  BOOST_TEST(!leases[0].poll());
  BOOST_TEST((leases[0].info().state == gpumodel::LeaseState::pending));
  go = true;
  while (!leases[1].poll()) std::this_thread::sleep_for(1ms);
  BOOST_TEST(leases[1].info().id == 8u);
  BOOST_TEST(!leases[0].release(20ms).has_value());
  go = true;
  BOOST_TEST((leases[0].release().value().outcome == gpumodel::ReleaseOutcome::kept));
  std::vector<gpumodel::Lease> refused = client.begin({"c"});
  gpumodel::Result<bool> held = false;
  while ((held = refused[0].try_poll()) && !*held) std::this_thread::sleep_for(1ms);
  BOOST_REQUIRE(!held.has_value());
  BOOST_TEST(held.error().code() == GM_E_BUSY);
}

BOOST_AUTO_TEST_CASE(whole_texts) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming plain = c.expect("generate");
    if (plain.params != json{{"lease", 7}, {"epoch", 3}, {"prompt", "Once"}})
      throw std::runtime_error("not the defaults: " + plain.params.dump());
    c.respond(plain, whole(std::string("a\0b", 3)));
    const Incoming chat = c.expect("generate");
    if (chat.params.at("messages") !=
        json{{{"role", "system"}, {"content", "Be brief."}}, {{"role", "user"}, {"content", "Hi"}}})
      throw std::runtime_error("other messages: " + chat.params.dump());
    c.respond(chat, whole("answer", "deadline"));
    c.fail(c.expect("generate"), -60, "prompt_too_long", {{"prompt_tokens", 9}});
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  const gpumodel::Completion plain = lease.complete("Once");
  BOOST_TEST(plain.text == std::string("a\0b", 3));
  BOOST_TEST((plain.summary.finish == gpumodel::Finish::stop));
  BOOST_TEST(plain.summary.prompt_tokens == 4u);
  BOOST_TEST(plain.summary.cached_tokens == 1u);
  BOOST_TEST(plain.summary.output_tokens == 2u);
  BOOST_TEST(plain.summary.seed == 42);
  BOOST_TEST((plain.summary.queue_time == 10us));
  BOOST_TEST((plain.summary.first_token_time == 20us));
  BOOST_TEST((plain.summary.total_time == 30us));
  const gpumodel::Completion chat = lease.chat({{"system", "Be brief."}, {"user", "Hi"}});
  BOOST_TEST(chat.text == "answer");
  BOOST_TEST((chat.summary.finish == gpumodel::Finish::deadline));
  BOOST_CHECK_EXCEPTION(lease.complete("x"), gpumodel::Error, [](const gpumodel::Error& e) {
    return e.code() == GM_E_PROMPT_TOO_LONG && e.detail() == "{\"prompt_tokens\":9}";
  });
}

BOOST_AUTO_TEST_CASE(every_option_is_sent) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant({"generate.json_schema", "generate.regex", "generate.grammar"});
    const Incoming full = c.expect("generate");
    const json expected = {{"lease", 7},
                           {"epoch", 3},
                           {"prompt", "x"},
                           {"max_tokens", 64},
                           {"temperature", 0.5},
                           {"top_p", 0.25},
                           {"top_k", 40},
                           {"min_p", 0.125},
                           {"repetition_penalty", 1.5},
                           {"presence_penalty", -1.0},
                           {"frequency_penalty", 2.0},
                           {"logit_bias", {{9, -2.5}}},
                           {"seed", 1099511627776},
                           {"stop", {"\n", "END"}},
                           {"json_schema", "{}"},
                           {"ignore_eos", true},
                           {"deadline_ms", 1}};
    if (full.params != expected) throw std::runtime_error("sent: " + full.params.dump());
    c.respond(full, whole("x"));
    for (const char* constraint : {"regex", "grammar"}) {
      const Incoming request = c.expect("generate");
      if (request.params.at(constraint) != "a") throw std::runtime_error(request.params.dump());
      c.respond(request, whole("x"));
    }
    if (!c.closes()) throw std::runtime_error("something was sent");
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  gpumodel::GenerateOptions options;
  options.max_tokens = 64;
  options.temperature = 0.5f;
  options.top_p = 0.25f;
  options.top_k = 40;
  options.min_p = 0.125f;
  options.repetition_penalty = 1.5f;
  options.presence_penalty = -1;
  options.frequency_penalty = 2;
  options.logit_bias = {{9, -2.5f}};
  options.seed = std::int64_t{1} << 40;
  options.stop = {"\n", "END"};
  options.json_schema = "{}";
  options.ignore_eos = true;
  options.deadline = -5ms;  // passed already
  BOOST_TEST(lease.complete("x", options).text == "x");
  options = {};
  options.regex = "a";
  lease.complete("x", options);
  options = {};
  options.grammar = "a";
  lease.complete("x", options);

  const std::string nul("a\0b", 3);
  const auto refused = [&](auto set) {
    gpumodel::GenerateOptions bad;
    set(bad);
    return lease.try_complete("x", bad).error().code() == GM_E_INVALID &&
           lease.try_stream("x", bad).error().code() == GM_E_INVALID;
  };
  BOOST_TEST(refused([&](auto& o) { o.stop = {nul}; }));
  BOOST_TEST(refused([&](auto& o) { o.json_schema = nul; }));
  BOOST_TEST(refused([&](auto& o) { o.regex = nul; }));
  BOOST_TEST(refused([&](auto& o) { o.grammar = nul; }));
  BOOST_TEST(refused([&](auto& o) { o.max_tokens = 0; }));
  BOOST_TEST(lease.try_complete(nul).error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_chat({{"user", nul}}).error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_chat({{nul, "x"}}).error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_chat({}).error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_stream_json(nul).error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_render(nul).error().code() == GM_E_INVALID);
  client.close();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(messages_and_tools_are_json) {
  const std::vector<gpumodel::Message> messages = {{"user", "a \"b\" \\ \n\x01\x1f\x7f h\xc3\xa9"},
                                                   {"assistant", std::string("\0", 1)}};
  const json parsed = json::parse(gpumodel::messages_json(messages));
  BOOST_TEST((parsed == json{{"messages",
                              {{{"role", "user"}, {"content", messages[0].content}},
                               {{"role", "assistant"}, {"content", messages[1].content}}}}}));
  const std::vector<gpumodel::Tool> tools = {
      {"weather", "Tells the \"weather\"", R"({"type":"object"})"}, {"time", "", "{}"}};
  const json with_tools = json::parse(gpumodel::messages_json(messages, tools));
  BOOST_TEST((with_tools.at("messages") == parsed.at("messages")));
  BOOST_TEST((with_tools.at("tools") ==
              json{{{"type", "function"},
                    {"function",
                     {{"name", "weather"},
                      {"description", "Tells the \"weather\""},
                      {"parameters", {{"type", "object"}}}}}},
                   {{"type", "function"},
                    {"function",
                     {{"name", "time"}, {"description", ""}, {"parameters", json::object()}}}}}));

  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    if (json::parse(request.params.at("messages_json").get<std::string>()) != with_tools)
      throw std::runtime_error("other messages: " + request.params.dump());
    c.chunk(request, 0, "call ");
    c.chunk(request, 1, "it");
    c.respond(request, finished());
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  const gpumodel::Completion answer = lease.chat(messages, {}, tools);
  BOOST_TEST(answer.text == "call it");
  BOOST_TEST(answer.summary.output_tokens == 2u);
}

BOOST_AUTO_TEST_CASE(text_tools) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming nul = c.expect("tokenize");
    if (nul.params.at("text") != std::string("a\0b", 3)) throw std::runtime_error("cut");
    c.respond(nul, {{"tokens", {5, 6}}});
    c.respond(c.expect("tokenize"), {{"tokens", json::array()}});
    const Incoming ids = c.expect("detokenize");
    if (ids.params.at("tokens") != json{1, 65536}) throw std::runtime_error("tokens");
    c.respond(ids, {{"text", std::string("t\0", 2)}});
    const Incoming render = c.expect("render");
    if (render.params.at("messages_json") != "[]") throw std::runtime_error("messages");
    c.respond(render, {{"text", "<|im_start|>"}});
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  BOOST_TEST((lease.tokenize(std::string_view("a\0b", 3)) == std::vector<std::int32_t>{5, 6}));
  BOOST_TEST(lease.tokenize("", 5s).empty());
  BOOST_TEST((lease.detokenize({1, 65536}) == std::string("t\0", 2)));
  BOOST_TEST(lease.render("[]") == "<|im_start|>");
  BOOST_TEST(lease.try_render("[]", 0ms).error().code() == GM_E_INVALID);
}

BOOST_AUTO_TEST_SUITE_END()

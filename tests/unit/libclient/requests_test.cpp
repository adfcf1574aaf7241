// What each call puts on the wire, byte for byte. The expected bytes were packed by Python's
// msgpack (use_single_float=True), not by this library's packer.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "handles.hpp"

using namespace gpumodel::test;

namespace {

std::string hex(const std::string& bytes) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// Serves what a client may ask, and keeps the bytes of everything after hello.
struct Recorder {
  std::string hello;
  std::vector<std::string> messages;

  FakeDaemon::Script script() {
    return [this](Connection& c) {
      hello = hex(c.greet({"lease.wait_foreign", "generate.json_schema"}).bytes);
      for (;;) {
        const Incoming m = c.next();
        messages.push_back(hex(m.bytes));
        if (m.type == 2) continue;
        if (m.method == "lease.acquire") c.grant(m);
        if (m.method == "lease.release") c.release(m);
        if (m.method == "models") c.respond(m, {{"models", json::array()}});
        if (m.method == "call_json") c.respond(m, {{"result", "{\"ok\":1}"}});
        if (m.method == "tokenize") c.respond(m, {{"tokens", {5, 6}}});
        if (m.method == "detokenize" || m.method == "render") c.respond(m, {{"text", "t\xc3\xa9"}});
        if (m.method == "generate") {
          json result = finished();
          result["text"] = "answer";
          c.respond(m, result);
        }
      }
    };
  }
};

const char kAcquireBytes[] =
    "940002ad6c656173652e616371756972659181a66d6f64656c7391a7636f6e63657074";

}  // namespace

BOOST_AUTO_TEST_SUITE(requests)

BOOST_AUTO_TEST_CASE(connection_and_reports) {
  Recorder recorder;
  FakeDaemon daemon(recorder.script());
  auto client = open_client(daemon);
  gm_models* models = nullptr;
  BOOST_TEST(gm_models_get(client.get(), 1000, &models) == GM_OK);
  gm_models_free(models);
  char* text = nullptr;
  BOOST_TEST(gm_call_json(client.get(), "status", "{\"a\":1}", 1000, &text) == GM_OK);
  BOOST_TEST(text == std::string("{\"ok\":1}"));
  gm_free(text);
  client.reset();
  daemon.join();
  BOOST_TEST(recorder.hello ==
             "940001a568656c6c6f9183a870726f746f636f6c01a6636c69656e74af6c69626770756d6f64656c20312"
             "e30a3617070"
             "a6746573746572");
  BOOST_REQUIRE(recorder.messages.size() == 2u);
  BOOST_TEST(recorder.messages[0] == "940002a66d6f64656c739180");
  BOOST_TEST(
      recorder.messages[1] ==
      "940003a963616c6c5f6a736f6e9182a66d6574686f64a6737461747573a6706172616d73a77b2261223a317d");
}

BOOST_AUTO_TEST_CASE(acquire_and_release) {
  Recorder recorder;
  FakeDaemon daemon(recorder.script());
  gm_client_options options = options_for(daemon);
  options.on_event = [](gm_client*, const gm_event*, void*) {};
  auto client = open_client(options);
  gm_lease_options lease_options = GM_LEASE_OPTIONS_INIT;
  lease_options.wait_ms = 2500;
  lease_options.context_tokens = 70000;
  lease_options.flags = GM_LEASE_ONLY_IF_READY | GM_LEASE_WAIT_FOREIGN;
  const char* names[] = {"concept", "relationship"};
  gm_lease* leases[2];
  BOOST_REQUIRE(gm_lease_acquire_all(client.get(), names, 2, &lease_options, leases) == GM_OK);
  BOOST_TEST(gm_lease_release(leases[0], -1, nullptr) == GM_OK);
  gm_lease_free(leases[0]);
  gm_lease_free(leases[1]);
  client.reset();
  daemon.join();
  BOOST_REQUIRE(recorder.messages.size() == 3u);
  BOOST_TEST(recorder.messages[0] ==
             "940002ad6c656173652e616371756972659186a66d6f64656c7392a7636f6e63657074ac72656c6174696"
             "f6e73686970"
             "a7776169745f6d73cd09c4ae636f6e746578745f746f6b656e73ce00011170ad6f6e6c795f69665f72656"
             "16479c3ac77"
             "6169745f666f726569676ec3a870726f6772657373c3");
  BOOST_TEST(recorder.messages[1] ==
             "940003ad6c656173652e72656c656173659182a56c6561736507a565706f636803");
  BOOST_TEST(recorder.messages[2] ==
             "940004ad6c656173652e72656c656173659182a56c6561736508a565706f636803");
}

BOOST_AUTO_TEST_CASE(text_tools) {
  Recorder recorder;
  FakeDaemon daemon(recorder.script());
  auto client = open_client(daemon);
  auto lease = acquire(client);
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  BOOST_REQUIRE(gm_tokenize(lease.get(), "h\xc3\xa9llo!!", 6, 1000, &tokens, &count) == GM_OK);
  BOOST_TEST(count == 2u);
  BOOST_TEST(tokens[1] == 6);
  gm_free(tokens);
  const std::int32_t ids[] = {1, 128, 65536, 2147483647};
  char* text = nullptr;
  std::size_t length = 0;
  BOOST_REQUIRE(gm_detokenize(lease.get(), ids, 4, 1000, &text, &length) == GM_OK);
  BOOST_TEST(text == std::string("t\xc3\xa9"));
  BOOST_TEST(length == 3u);
  gm_free(text);
  BOOST_REQUIRE(gm_render(lease.get(), "[]", 1000, &text) == GM_OK);
  gm_free(text);
  BOOST_TEST(gm_render(lease.get(), "[]", 0, &text) == GM_E_INVALID);
  BOOST_TEST(gm_render(lease.get(), "[]", -2, &text) == GM_E_INVALID);
  client.reset();
  daemon.join();
  BOOST_REQUIRE(recorder.messages.size() == 4u);
  BOOST_TEST(recorder.messages[0] == std::string(kAcquireBytes));
  BOOST_TEST(recorder.messages[1] ==
             "940003a8746f6b656e697a659183a56c6561736507a565706f636803a474657874a668c3a96c6c6f");
  BOOST_TEST(recorder.messages[2] ==
             "940004aa6465746f6b656e697a659183a56c6561736507a565706f636803a6746f6b656e739401cc80ce0"
             "0010000ce7f"
             "ffffff");
  BOOST_TEST(
      recorder.messages[3] ==
      "940005a672656e6465729183a56c6561736507a565706f636803ad6d657373616765735f6a736f6ea25b5d");
}

BOOST_AUTO_TEST_CASE(generations) {
  Recorder recorder;
  FakeDaemon daemon(recorder.script());
  auto client = open_client(daemon);
  auto lease = acquire(client);
  generate(lease, request_for("Once"));

  gm_request full = request_for(nullptr);
  const std::int32_t tokens[] = {5, 300};
  const gm_logit_bias biases[] = {{9, -2.5f}, {11, -INFINITY}};
  const char* stops[] = {"\n", "END"};
  full.tokens = tokens;
  full.token_count = 2;
  full.max_tokens = 64;
  full.temperature = 0.5f;
  full.top_p = 0.25f;
  full.top_k = 40;
  full.min_p = 0.125f;
  full.repetition_penalty = 1.5f;
  full.presence_penalty = -1.0f;
  full.frequency_penalty = 2.0f;
  full.logit_bias = biases;
  full.logit_bias_count = 2;
  full.seed = std::int64_t{1} << 40;
  full.stop = stops;
  full.stop_count = 2;
  full.logprobs = 1;
  full.top_logprobs = 2;
  full.ignore_eos = 1;
  full.deadline_ms = 100000;
  generate(lease, full);

  gm_request schema = request_for(nullptr);
  schema.messages_json = "{}";
  schema.json_schema = "{}";
  generate(lease, schema);

  char* text = nullptr;
  gm_result result = GM_RESULT_INIT;
  BOOST_REQUIRE(gm_complete(lease.get(), "Once", nullptr, &text, &result) == GM_OK);
  BOOST_TEST(text == std::string("answer"));
  BOOST_TEST(result.finish == GM_FINISH_STOP);
  BOOST_TEST(result.text_len == 6u);
  BOOST_TEST(result.seed == 42);
  BOOST_TEST(result.first_token_us == 20u);
  gm_free(text);
  const gm_message messages[] = {{"system", "Be brief."}, {"user", "Hi"}};
  full = request_for("replaced");
  BOOST_REQUIRE(gm_chat(lease.get(), messages, 2, &full, &text, nullptr) == GM_OK);
  gm_free(text);
  client.reset();
  daemon.join();

  // Between the generations lies the cancel that freeing a running stream sends.
  std::vector<std::string> sent;
  for (const std::string& message : recorder.messages) {
    if (message.compare(0, 2, "94") == 0) sent.push_back(message);
  }
  BOOST_REQUIRE(sent.size() == 6u);
  BOOST_TEST(sent[1] ==
             "940003a867656e65726174659184a56c6561736507a565706f636803a670726f6d7074a44f6e6365a6737"
             "47265616dc3");
  BOOST_TEST(
      sent[2] ==
      "940004a867656e657261746591de0013a56c6561736507a565706f636803a6746f6b656e739205cd012ca6737472"
      "6561"
      "6dc3aa6d61785f746f6b656e7340ab74656d7065726174757265ca3f000000a5746f705f70ca3e800000a5746f70"
      "5f6b"
      "28a56d696e5f70ca3e000000b272657065746974696f6e5f70656e616c7479ca3fc00000b070726573656e63655f"
      "7065"
      "6e616c7479cabf800000b16672657175656e63795f70656e616c7479ca40000000aa6c6f6769745f626961739292"
      "09ca"
      "c0200000920bcaff800000a473656564cf0000010000000000a473746f7092a10aa3454e44a86c6f6770726f6273"
      "c3ac"
      "746f705f6c6f6770726f627302aa69676e6f72655f656f73c3ab646561646c696e655f6d73ce000186a0");
  BOOST_TEST(sent[3] ==
             "940005a867656e65726174659185a56c6561736507a565706f636803ad6d657373616765735f6a736f6ea"
             "27b7da67374"
             "7265616dc3ab6a736f6e5f736368656d61a27b7d");
  BOOST_TEST(sent[4] ==
             "940006a867656e65726174659183a56c6561736507a565706f636803a670726f6d7074a44f6e6365");
  BOOST_TEST(
      sent[5] ==
      "940007a867656e65726174659183a56c6561736507a565706f636803a86d657373616765739282a4726f6c65a673"
      "7973"
      "74656da7636f6e74656e74a942652062726965662e82a4726f6c65a475736572a7636f6e74656e74a24869");
}

BOOST_AUTO_TEST_CASE(bad_values_are_refused_and_not_sent) {
  Recorder recorder;
  FakeDaemon daemon(recorder.script());
  auto client = open_client(daemon);
  auto lease = acquire(client);
  const auto refused = [&](auto set) {
    gm_request request = request_for("x");
    set(request);
    gm_stream* stream = nullptr;
    return gm_generate(lease.get(), &request, &stream) == GM_E_INVALID && stream == nullptr;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::int32_t tokens[] = {1, -1};
  const gm_message half[] = {{"user", nullptr}};
  const gm_logit_bias bias[] = {{1, nan}};
  const std::string long_stop(257, 's');
  const char* stops[] = {long_stop.c_str()};
  const char* empty[] = {""};
  BOOST_TEST(refused([](gm_request& r) { r.prompt = nullptr; }));
  BOOST_TEST(refused([&](gm_request& r) { r.messages_json = "[]"; }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.prompt = nullptr;
    r.tokens = tokens;
    r.token_count = 2;
  }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.prompt = nullptr;
    r.tokens = tokens;
  }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.prompt = nullptr;
    r.messages = half;
    r.message_count = 1;
  }));
  BOOST_TEST(refused([](gm_request& r) { r.max_tokens = 0; }));
  BOOST_TEST(refused([](gm_request& r) { r.temperature = 100.5f; }));
  BOOST_TEST(refused([&](gm_request& r) { r.temperature = nan; }));
  BOOST_TEST(refused([](gm_request& r) { r.top_p = 0; }));
  BOOST_TEST(refused([](gm_request& r) { r.top_p = 1.5f; }));
  BOOST_TEST(refused([&](gm_request& r) { r.top_p = nan; }));
  BOOST_TEST(refused([](gm_request& r) { r.min_p = 2; }));
  BOOST_TEST(refused([](gm_request& r) { r.repetition_penalty = 0; }));
  BOOST_TEST(refused([](gm_request& r) { r.presence_penalty = -2.5f; }));
  BOOST_TEST(refused([](gm_request& r) { r.frequency_penalty = 2.5f; }));
  BOOST_TEST(refused([](gm_request& r) { r.seed = -2; }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.logit_bias = bias;
    r.logit_bias_count = 1;
  }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.logit_bias = bias;
    r.logit_bias_count = 1025;
  }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.stop = stops;
    r.stop_count = 1;
  }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.stop = empty;
    r.stop_count = 1;
  }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.stop = empty;
    r.stop_count = 17;
  }));
  BOOST_TEST(refused([](gm_request& r) { r.top_logprobs = 21; }));
  BOOST_TEST(refused([](gm_request& r) {
    r.json_schema = "{}";
    r.regex = "a";
  }));
  BOOST_TEST(refused([](gm_request& r) { r.struct_size = 4; }));
  char* text = nullptr;
  gm_request request = request_for("x");
  request.logprobs = 1;
  BOOST_TEST(gm_complete(lease.get(), "x", &request, &text, nullptr) == GM_E_INVALID);
  const std::string huge(17 << 20, 'x');
  BOOST_TEST(gm_complete(lease.get(), huge.c_str(), nullptr, &text, nullptr) == GM_E_INVALID);
  request = request_for(huge.c_str());
  request.prompt_len = std::size_t{5} << 32;  // never read: no message is that large
  gm_stream* stream = nullptr;
  BOOST_TEST(gm_generate(lease.get(), &request, &stream) == GM_E_INVALID);
  const char* too_many[17] = {};
  gm_lease* leases[17];
  BOOST_TEST(gm_lease_acquire_all(client.get(), too_many, 17, nullptr, leases) == GM_E_INVALID);
  BOOST_TEST(gm_lease_acquire_all(client.get(), too_many, 0, nullptr, leases) == GM_E_INVALID);
  BOOST_TEST(gm_lease_acquire_all(client.get(), too_many, 1, nullptr, leases) == GM_E_INVALID);
  BOOST_TEST(gm_lease_acquire(client.get(), "", nullptr, leases) == GM_E_INVALID);
  client.reset();
  daemon.join();
  BOOST_TEST(recorder.messages.size() == 1u);  // the acquire
}

BOOST_AUTO_TEST_CASE(defaults_follow_the_size_given) {
  gm_request request;
  std::memset(&request, 0x55, sizeof request);
  gm_request_init(&request, offsetof(gm_request, seed));
  BOOST_TEST(request.struct_size == offsetof(gm_request, seed));
  BOOST_TEST(request.max_tokens == -1);
  BOOST_TEST(request.seed == 0x5555555555555555);
  BOOST_TEST(request.prompt == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

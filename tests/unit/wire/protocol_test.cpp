// PROTOCOL.md is the norm: its examples are decoded here, and what the structs write is compared with them.
#include <nlohmann/json.hpp>

#include "support/testdata.hpp"
#include "wire/frame.hpp"
#include "wire/messages.hpp"
#include "wire/metric_messages.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using nlohmann::json;

namespace {

struct Example {
  json value;
  std::string bytes;
};

std::vector<Example> examples() {
  const std::string page = test::read_file(test::source_path("daemon/PROTOCOL.md"));
  std::vector<Example> found;
  const std::string json_fence = "```json\n", hex_fence = "```hex\n", end = "```";
  for (std::size_t at = page.find(json_fence); at != std::string::npos;
       at = page.find(json_fence, at + 1)) {
    const std::size_t text = at + json_fence.size();
    const std::size_t hex = page.find(hex_fence, text) + hex_fence.size();
    Example example{json::parse(page.substr(text, page.find(end, text) - text)), ""};
    std::string digits;
    for (const char digit : page.substr(hex, page.find(end, hex) - hex))
      if (std::isxdigit(static_cast<unsigned char>(digit))) digits.push_back(digit);
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
      example.bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    found.push_back(std::move(example));
  }
  return found;
}

// Every key of the example must be a field of the struct and keep its value.
template <class Message>
void check_fields(const json& example) {
  const std::vector<std::uint8_t> packed = json::to_msgpack(example);
  const auto message = wire::decode_bytes<Message>(
      std::string_view(reinterpret_cast<const char*>(packed.data()), packed.size()));
  const json written = json::from_msgpack(wire::encode(message));
  for (const auto& [key, value] : example.items()) {
    BOOST_TEST(written.contains(key), key << " is no field");
    if (written.contains(key)) BOOST_TEST(written[key] == value);
  }
}

void check_params(const std::string& method, const json& params) {
  if (method == "hello") return check_fields<wire::HelloParams>(params);
  if (method == "models" || method == "status") return check_fields<wire::Empty>(params);
  if (method == "metrics") return check_fields<wire::MetricsParams>(params);
  if (method == "lease.acquire") return check_fields<wire::AcquireParams>(params);
  if (method == "lease.progress") return check_fields<wire::LeaseProgress>(params);
  if (method == "lease.release") return check_fields<wire::ReleaseParams>(params);
  if (method == "generate") return check_fields<wire::GenerateParams>(params);
  if (method == "generate.chunk") return check_fields<wire::GenerateChunk>(params);
  if (method == "cancel") return check_fields<wire::CancelParams>(params);
  if (method == "call_json") return check_fields<wire::CallJsonParams>(params);
  using wire::TextParams, wire::TextTarget;
  if (method == "tokenize")
    return check_fields<TextParams<TextTarget, wire::TokenizeInput>>(params);
  if (method == "detokenize")
    return check_fields<TextParams<TextTarget, wire::DetokenizeInput>>(params);
  if (method == "render") return check_fields<TextParams<TextTarget, wire::RenderInput>>(params);
  if (method == "plan") return check_fields<wire::PlanParams>(params);
  if (method == "why") return check_fields<wire::ModelParams>(params);
  if (method == "events") return check_fields<wire::EventsParams>(params);
  if (method == "events.subscribe") return check_fields<wire::SubscribeParams>(params);
  if (method == "event") return check_fields<wire::Event>(params);
  if (method == "prefetch") return check_fields<wire::PrefetchParams>(params);
  if (method == "unload") return check_fields<wire::UnloadModelParams>(params);
  if (method == "pin") return check_fields<wire::PinParams>(params);
  if (method == "yield") return check_fields<wire::YieldParams>(params);
  if (method == "yield.end") return check_fields<wire::YieldEndParams>(params);
  if (method == "drain") return check_fields<wire::DrainParams>(params);
  if (method == "revoke") return check_fields<wire::RevokeParams>(params);
  if (method == "lease.suspended" || method == "lease.resumed")
    return check_fields<wire::LeaseNotice>(params);
  if (method == "lease.lost") return check_fields<wire::LeaseLost>(params);
  if (method == "draining") return check_fields<wire::Empty>(params);
  BOOST_ERROR("no struct for method " << method);
}

void check_result(const std::string& method, const json& result) {
  if (method == "hello") return check_fields<wire::HelloResult>(result);
  if (method == "metrics") return check_fields<wire::MetricsResult>(result);
  if (method == "lease.acquire") return check_fields<wire::AcquireResult>(result);
  if (method == "lease.release") return check_fields<wire::ReleaseResult>(result);
  if (method == "generate") return check_fields<wire::GenerateResult>(result);
  if (method == "tokenize") return check_fields<wire::TokensResult>(result);
  if (method == "detokenize") return check_fields<wire::TextResult>(result);
  if (method == "call_json") return check_fields<wire::CallJsonResult>(result);
  if (method == "plan") return check_fields<wire::PlanResult>(result);
  if (method == "why") return check_fields<wire::WhyResult>(result);
  if (method == "events") return check_fields<wire::EventsResult>(result);
  if (method == "events.subscribe") return check_fields<wire::SubscribeResult>(result);
  if (method == "prefetch") return check_fields<wire::PrefetchResult>(result);
  if (method == "pin") return check_fields<wire::PinResult>(result);
  if (method == "yield") return check_fields<wire::YieldResult>(result);
  if (method == "yield.end") return check_fields<wire::Empty>(result);
  if (method == "drain") return check_fields<wire::DrainResult>(result);
  if (method == "revoke") return check_fields<wire::RevokeResult>(result);
  BOOST_ERROR("no struct for the result of " << method);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(protocol_test)

BOOST_AUTO_TEST_CASE(the_hex_is_the_json) {
  const auto all = examples();
  BOOST_TEST(all.size() >= 20u);
  for (const Example& example : all) BOOST_TEST(json::from_msgpack(example.bytes) == example.value);
}

BOOST_AUTO_TEST_CASE(every_example_is_a_message_whose_fields_the_structs_know) {
  std::map<std::uint32_t, std::string> methods;
  for (const Example& example : examples()) {
    wire::MessageScanner scanner;
    BOOST_TEST(scanner.scan(example.bytes) == example.bytes.size());
    const wire::Frame frame = wire::decode_frame(example.bytes);
    switch (frame.kind) {
      case wire::Frame::Kind::request:
        methods[frame.id] = frame.method;
        check_params(frame.method, example.value[3][0]);
        break;
      case wire::Frame::Kind::notification:
        check_params(frame.method, example.value[2][0]);
        break;
      case wire::Frame::Kind::response:
        if (frame.error.type == msgpack::type::NIL) {
          check_result(methods.at(frame.id), example.value[3]);
        } else {
          const wire::Error error = wire::decode_error(frame.error);
          BOOST_TEST(wire::code_name(error.code) == example.value[2]["name"].get<std::string>());
        }
        break;
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

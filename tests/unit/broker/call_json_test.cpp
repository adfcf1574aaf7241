#include "broker/call_json.hpp"

#include <boost/test/unit_test.hpp>

#include "wire/messages.hpp"

using namespace gpumodel;
using broker::json_to_msgpack;
using broker::msgpack_to_json;

namespace {
std::string refusal_of(const std::string& json) {
  try {
    json_to_msgpack(json);
  } catch (const wire::Error& error) {
    BOOST_TEST((error.code == wire::Code::invalid));
    return error.message;
  }
  return "";
}
}  // namespace

BOOST_AUTO_TEST_SUITE(call_json)

BOOST_AUTO_TEST_CASE(an_object_becomes_the_methods_params) {
  const auto params = wire::decode_bytes<wire::AcquireParams>(json_to_msgpack(
      R"({"models": ["a", "b"], "wait_ms": -1, "progress": true, "unknown": null})"));
  BOOST_TEST(params.models.size() == 2u);
  BOOST_TEST(params.wait_ms == -1);
  BOOST_TEST(params.progress);
}

BOOST_AUTO_TEST_CASE(a_result_becomes_json) {
  BOOST_TEST(msgpack_to_json(wire::encode(wire::TokensResult{{1, 2, 3}})) ==
             R"({"tokens":[1,2,3]})");
  BOOST_TEST(msgpack_to_json(wire::encode(wire::TextResult{"\xc3\xa9\n"})) ==
             "{\"text\":\"\xc3\xa9\\n\"}");
}

BOOST_AUTO_TEST_CASE(infinity_becomes_null) {
  wire::GenerateResult result;
  result.logprobs = std::vector<float>{-INFINITY};
  BOOST_TEST(msgpack_to_json(wire::encode(result)).find("\"logprobs\":[null]") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(other_texts_are_refused_with_the_reason) {
  BOOST_TEST(refusal_of("[1]") == "params: expected a JSON object");
  BOOST_TEST(refusal_of("{\"a\":").rfind("params: not JSON:", 0) == 0u);
  BOOST_TEST(refusal_of("").rfind("params: not JSON:", 0) == 0u);
  BOOST_TEST(refusal_of("{\"a\":\"\xff\"}").rfind("params: not JSON:", 0) == 0u);
}

BOOST_AUTO_TEST_CASE(depth_and_number_are_bounded_while_reading) {
  const std::string deep = "{\"a\":" + std::string(1u << 20, '[');
  BOOST_TEST(refusal_of(deep) == "params: nested deeper than 32");
  std::string wide = "{\"a\":[0";
  for (int i = 0; i < 1'100'000; ++i) wide += ",0";
  BOOST_TEST(refusal_of(wide + "]}") == "params: more than 1,048,576 values");
}

BOOST_AUTO_TEST_SUITE_END()

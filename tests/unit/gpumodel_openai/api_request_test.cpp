#include "gpumodel-openai/api_request.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace gpumodel_openai;

namespace {

constexpr const char* kMessages = R"("messages":[{"role":"user","content":"Hi"}])";

ApiRequest chat(const std::string& more) {
  return parse_request(Endpoint::chat, std::string(R"({"model":"m",)") + kMessages + more + "}");
}

// The parameter that is refused; "": nothing is.
std::string refused(Endpoint endpoint, const std::string& body) {
  try {
    parse_request(endpoint, body);
    return "";
  } catch (const ApiError& error) {
    BOOST_TEST(error.status == 400);
    BOOST_TEST(nlohmann::json::parse(error.body()).at("error").at("message").is_string());
    return error.param.empty() ? "the body" : error.param;
  }
}
std::string refused(const std::string& more) {
  return refused(Endpoint::chat, std::string(R"({"model":"m",)") + kMessages + more + "}");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_request)

BOOST_AUTO_TEST_CASE(what_is_asked_for_is_what_is_generated) {
  const ApiRequest request = chat(
      R"(,"temperature":0.5,"top_p":0.9,"max_tokens":7,"seed":3,"stop":["a","b"],"presence_penalty":-1,)"
      R"("frequency_penalty":2,"logit_bias":{"5":-100,"6":1.5},"n":2,"stream":true,)"
      R"("stream_options":{"include_usage":true},"top_k":4,"min_p":0.1,"repetition_penalty":1.1)");
  const gpumodel::GenerateOptions& options = request.options;
  BOOST_TEST(options.temperature.value() == 0.5f);
  BOOST_TEST(options.top_p.value() == 0.9f);
  BOOST_TEST(options.max_tokens.value() == 7);
  BOOST_TEST(options.seed.value() == 3);
  BOOST_TEST(options.stop.size() == 2u);
  BOOST_TEST(options.presence_penalty == -1.0f);
  BOOST_TEST(options.frequency_penalty == 2.0f);
  BOOST_TEST(options.top_k.value() == 4);
  BOOST_TEST(options.min_p.value() == 0.1f);
  BOOST_TEST(options.repetition_penalty.value() == 1.1f);
  BOOST_TEST_REQUIRE(options.logit_bias.size() == 2u);
  BOOST_TEST(std::isinf(options.logit_bias[0].bias));
  BOOST_TEST(options.logit_bias[1].bias == 1.5f);
  BOOST_TEST(request.choices == 2u);
  BOOST_TEST(request.stream);
  BOOST_TEST(request.include_usage);
}

BOOST_AUTO_TEST_CASE(defaults_are_the_model_s) {
  const ApiRequest request = chat("");
  BOOST_TEST(!request.options.temperature);
  BOOST_TEST(!request.options.max_tokens);
  BOOST_TEST(!request.options.seed);
  BOOST_TEST(!request.stream);
  BOOST_TEST(request.prompts.size() == 1u);
}

BOOST_AUTO_TEST_CASE(messages_become_what_templates_expect) {
  const ApiRequest request = parse_request(
      Endpoint::chat,
      R"({"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":1}"}}]}],)"
      R"("tools":[{"type":"function","function":{"name":"f"}}],"chat_template_kwargs":{"enable_thinking":false}})");
  const auto json = nlohmann::json::parse(std::get<MessagesJson>(request.prompts[0]).text);
  BOOST_TEST(json["messages"][0]["role"] == "system");
  BOOST_TEST(json["messages"][0]["content"] == "ab");
  BOOST_TEST(json["messages"][1]["tool_calls"][0]["function"]["arguments"]["x"] == 1);
  BOOST_TEST(json["tools"].size() == 1u);
  BOOST_TEST(json["enable_thinking"] == false);
  BOOST_TEST(request.finds_tool_calls);
}

BOOST_AUTO_TEST_CASE(tools_that_are_not_to_be_chosen_are_not_told) {
  const ApiRequest request =
      chat(R"(,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none")");
  BOOST_TEST(!request.finds_tool_calls);
  BOOST_TEST(
      !nlohmann::json::parse(std::get<MessagesJson>(request.prompts[0]).text).contains("tools"));
}

BOOST_AUTO_TEST_CASE(formats_become_schemas) {
  BOOST_TEST(chat(R"(,"response_format":{"type":"text"})").options.json_schema.empty());
  BOOST_TEST(chat(R"(,"response_format":{"type":"json_object"})").options.json_schema ==
             R"({"type":"object"})");
  BOOST_TEST(
      chat(
          R"(,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"array"}}})")
          .options.json_schema == R"({"type":"array"})");
}

BOOST_AUTO_TEST_CASE(prompts_are_texts_or_tokens_one_or_many) {
  const auto prompts = [](const std::string& prompt) {
    return parse_request(Endpoint::completions, R"({"model":"m","prompt":)" + prompt + "}").prompts;
  };
  BOOST_TEST(std::get<std::string>(prompts("\"a\"")[0]) == "a");
  BOOST_TEST(prompts(R"(["a","b"])").size() == 2u);
  BOOST_TEST(std::get<Tokens>(prompts("[1,2]")[0]).ids.size() == 2u);
  BOOST_TEST(prompts("[[1],[2,3]]").size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named) {
  BOOST_TEST(refused(Endpoint::chat, "") == "the body");
  BOOST_TEST(refused(Endpoint::chat, "[1]") == "the body");
  BOOST_TEST(refused(Endpoint::chat, "{}") == "model");
  BOOST_TEST(refused(Endpoint::chat, R"({"model":"m"})") == "messages");
  BOOST_TEST(
      refused(Endpoint::chat, R"({"model":"m","messages":[{"role":"king","content":"x"}]})") ==
      "messages[0].role");
  BOOST_TEST(refused(Endpoint::chat, R"({"model":"m","messages":[{"role":"user"}]})") ==
             "messages[0].content");
  BOOST_TEST(refused(R"(,"temperature":"hot")") == "temperature");
  BOOST_TEST(refused(R"(,"max_tokens":0)") == "max_tokens");
  BOOST_TEST(refused(R"(,"seed":18446744073709551615)") == "seed");
  BOOST_TEST(refused(R"(,"n":17)") == "n");
  BOOST_TEST(refused(R"(,"stop":[1])") == "stop");
  BOOST_TEST(refused(R"(,"logit_bias":{"x":1})") == "logit_bias");
  BOOST_TEST(refused(R"(,"top_logprobs":2)") == "top_logprobs");
  BOOST_TEST(refused(R"(,"stream_options":{})") == "stream_options");
  BOOST_TEST(refused(R"(,"tools":[{"type":"search"}])") == "tools");
  BOOST_TEST(refused(R"(,"response_format":{"type":"xml"})") == "response_format");
  BOOST_TEST(refused(R"(,"audio":{"voice":"x"})") == "audio");
  BOOST_TEST(refused(Endpoint::completions, R"({"model":"m","prompt":[]})") == "prompt");
  BOOST_TEST(refused(Endpoint::completions, R"({"model":"m","prompt":"a","echo":true})") == "echo");
}

BOOST_AUTO_TEST_CASE(what_changes_no_answer_is_passed_over) {
  BOOST_TEST(
      refused(R"(,"user":"me","metadata":{},"store":false,"service_tier":"auto","audio":null)") ==
      "");
}

BOOST_AUTO_TEST_SUITE_END()

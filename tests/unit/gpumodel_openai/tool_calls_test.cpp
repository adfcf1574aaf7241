#include "gpumodel-openai/tool_calls.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

using gpumodel_openai::ToolCall;
using gpumodel_openai::ToolCallParser;
using gpumodel_openai::ToolPiece;

namespace {

// All that comes out of a text that comes in pieces of so many bytes.
ToolPiece parsed(const std::string& text, std::size_t piece) {
  ToolCallParser parser;
  ToolPiece all;
  const auto add = [&all](ToolPiece part) {
    all.content += part.content;
    all.calls.insert(all.calls.end(), part.calls.begin(), part.calls.end());
  };
  for (std::size_t at = 0; at < text.size(); at += piece) add(parser.push(text.substr(at, piece)));
  add(parser.finish());
  return all;
}

void check(const std::string& text, const std::string& content,
           const std::vector<ToolCall>& calls) {
  for (std::size_t piece = 1; piece <= text.size() + 1; ++piece) {
    const ToolPiece got = parsed(text, piece);
    BOOST_TEST_CONTEXT(text << " in pieces of " << piece) {
      BOOST_TEST(got.content == content);
      BOOST_TEST_REQUIRE(got.calls.size() == calls.size());
      for (std::size_t i = 0; i < calls.size(); ++i) {
        BOOST_TEST(got.calls[i].name == calls[i].name);
        BOOST_TEST(got.calls[i].arguments == calls[i].arguments);
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tool_calls)

BOOST_AUTO_TEST_CASE(text_stays_text) {
  check("", "", {});
  check("Hello, <b>world</b> and [TOOL_CALLS].", "Hello, <b>world</b> and [TOOL_CALLS].", {});
  check("a < b <tool", "a < b <tool", {});
  check("  two lines\n\n", "  two lines\n\n", {});
}

BOOST_AUTO_TEST_CASE(tagged_calls_are_found_anywhere) {
  check("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>",
        "", {{"weather", R"({"city":"Oslo"})"}});
  check(
      "I will look.\n<tool_call>{\"name\":\"a\",\"arguments\":{}}</tool_call>\n"
      "<tool_call>{\"name\":\"b\",\"arguments\":{\"x\":[1]}}</tool_call>",
      "I will look.", {{"a", "{}"}, {"b", R"({"x":[1]})"}});
}

BOOST_AUTO_TEST_CASE(what_only_looks_like_a_call_is_kept) {
  check("<tool_call>{\"name\": 3}</tool_call>", "<tool_call>{\"name\": 3}</tool_call>", {});
  check("<tool_call>{\"name\": \"a\", \"argu", "<tool_call>{\"name\": \"a\", \"argu", {});
  check("{\"city\": \"Oslo\"}", "{\"city\": \"Oslo\"}", {});
  check("{\"name\": \"Oslo\", \"is\": \"a city\"}", "{\"name\": \"Oslo\", \"is\": \"a city\"}", {});
  check("[TOOL_CALLS] none", "[TOOL_CALLS] none", {});
}

BOOST_AUTO_TEST_CASE(llama_s_and_mistral_s_are_the_whole_text) {
  check("{\"name\": \"weather\", \"parameters\": {\"city\": \"Oslo\"}}", "",
        {{"weather", R"({"city":"Oslo"})"}});
  check("<|python_tag|>{\"type\": \"function\", \"name\": \"a\", \"parameters\": {}}", "",
        {{"a", "{}"}});
  check("[TOOL_CALLS][{\"name\": \"a\", \"arguments\": {}}, {\"name\": \"b\", \"arguments\": {}}]",
        "", {{"a", "{}"}, {"b", "{}"}});
}

// Nothing is lost, whatever comes and however it is cut.
BOOST_AUTO_TEST_CASE(pieces_make_no_difference) {
  const std::string parts[] = {"<tool_call>",
                               "</tool_call>",
                               "{\"name\":\"a\",\"arguments\":{}}",
                               "{",
                               "}",
                               "[TOOL_CALLS]",
                               " ",
                               "\n",
                               "<",
                               "text",
                               "<|python_tag|>",
                               "<tool_"};
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::size_t i = random() % 8; i > 0; --i) text += parts[random() % std::size(parts)];
    const ToolPiece whole = parsed(text, text.size() + 1);
    for (std::size_t piece = 1; piece <= 5; ++piece) {
      const ToolPiece cut = parsed(text, piece);
      BOOST_TEST_REQUIRE(cut.content == whole.content, text << " in pieces of " << piece);
      BOOST_TEST_REQUIRE(cut.calls.size() == whole.calls.size(), text);
    }
    if (whole.calls.empty()) BOOST_TEST_REQUIRE(whole.content == text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

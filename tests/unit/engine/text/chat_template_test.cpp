// Chat templates against renderings that Python's Jinja2 made, and against Jinja2 itself.
#include "engine/text/chat_template.hpp"

#include <unistd.h>
#include <cstdlib>
#include <ctime>

#include "unit/engine/text/template_support.hpp"

using namespace gpumodel::test;

BOOST_AUTO_TEST_SUITE(chat_template)

BOOST_AUTO_TEST_CASE(
    renders_single_features_as_python_does,
    *boost::unit_test::precondition(has_testdata("chat_templates/single_feature.json"))) {
  const auto cases = ordered_json::parse(read_file(testdata("chat_templates/single_feature.json")));
  BOOST_TEST(cases.size() >= 157u);
  for (const auto& each : cases)
    BOOST_TEST(renders_as(each["template"], each["context"], each["expected_python_jinja2"]),
               each["name"]);
}

BOOST_AUTO_TEST_CASE(
    renders_real_templates_as_published,
    *boost::unit_test::precondition(has_testdata("chat_templates/end_to_end.json"))) {
  const auto cases = ordered_json::parse(read_file(testdata("chat_templates/end_to_end.json")));
  BOOST_TEST(cases.size() >= 36u);
  // SmolLM3's template prints the day on which the file was made.
  char today[64];
  const std::time_t now = std::time(nullptr);
  BOOST_REQUIRE(std::strftime(today, sizeof today, "%d %B %Y", std::localtime(&now)) > 0);
  for (const auto& each : cases) {
    std::string expected = each["expected"];
    const std::string recorded = "Today Date: 10 July 2025";
    const std::size_t at = expected.find(recorded);
    if (at != std::string::npos)
      expected.replace(at, recorded.size(), std::string("Today Date: ") + today);
    BOOST_TEST(renders_as(each["template"], each["context"], expected), each["name"]);
  }
}

namespace {

void compare_with_oracle(const std::string& arguments, std::size_t count) {
  const auto lines = template_oracle(arguments);
  BOOST_TEST(lines.size() == count);
  for (const auto& line : lines)
    BOOST_TEST(renders_as(line["template"], line["context"],
                          line.contains("output") ? line["output"] : ordered_json()));
}

}  // namespace

BOOST_AUTO_TEST_CASE(renders_random_templates_as_jinja2_does,
                     *boost::unit_test::precondition(has_oracle_python())) {
  compare_with_oracle("random 20240501 800", 800);
}

BOOST_AUTO_TEST_CASE(
    renders_qwen_conversations_as_transformers_does,
    *boost::unit_test::precondition(has_oracle_python()) *
        boost::unit_test::precondition(has_testdata("tokenizers/qwen2.5/tokenizer_config.json"))) {
  const auto config =
      ordered_json::parse(read_file(testdata("tokenizers/qwen2.5/tokenizer_config.json")));
  char path[] = "/tmp/gpumodel_template_XXXXXX";
  const int fd = ::mkstemp(path);
  BOOST_REQUIRE(fd >= 0);
  const std::string source = config["chat_template"];
  BOOST_REQUIRE(::write(fd, source.data(), source.size()) == static_cast<ssize_t>(source.size()));
  ::close(fd);
  compare_with_oracle(std::string("chats ") + path + " 7 150", 150);
  ::unlink(path);
}

BOOST_AUTO_TEST_CASE(renders_smollm2_conversations_as_transformers_does,
                     *boost::unit_test::precondition(has_oracle_python())) {
  compare_with_oracle("smollm2 11 100", 100);
}

BOOST_AUTO_TEST_CASE(names_line_and_reason_of_errors) {
  const auto error_of = [](const std::string& source) {
    try {
      rendered(source);
    } catch (const TemplateError& error) {
      return std::to_string(error.line()) + ": " + error.reason();
    }
    return std::string("no error");
  };
  BOOST_TEST(error_of("a\n{{ raise_exception('Only user messages!') }}") ==
             "2: Only user messages!");
  BOOST_TEST(error_of("a\n\n{{ x|nosuch }}") == "3: No filter named 'nosuch'.");
  BOOST_TEST(error_of("{{ 1 is nosuch }}") == "1: No test named 'nosuch'.");
  BOOST_TEST(error_of("\n{% frobnicate %}") == "2: Encountered unknown tag 'frobnicate'.");
  BOOST_TEST(error_of("{% include 'x' %}") ==
             "1: the tag 'include' is not supported: a chat template stands alone");
  BOOST_TEST(error_of("{{\n1 +\nmissing }}") == "2: 'missing' is undefined");
  BOOST_TEST(error_of("{% if x %}") ==
             "1: Unexpected end of template. Jinja was looking for 'endif'.");
  BOOST_TEST(error_of("{{ 9223372036854775807 + 1 }}") ==
             "1: an integer does not fit 64 bits, which is all that templates get here");
  BOOST_TEST(error_of("{{ 9223372036854775808 }}") ==
             "1: an integer does not fit 64 bits, which is all that templates get here");
  BOOST_TEST(error_of("{{ missing.attribute }}") == "1: 'missing' is undefined");
  BOOST_TEST(error_of("{{ [].append(1) }}") ==
             "1: access to attribute 'append' of 'list' object is unsafe.");
}

BOOST_AUTO_TEST_CASE(unknown_filters_in_branches_fail_only_when_taken) {
  BOOST_TEST(rendered("{% if false %}{{ 1|nosuch }}{% endif %}ok") == "ok");
  BOOST_TEST(rendered("{{ 1|nosuch if false else 'ok' }}") == "ok");
  BOOST_CHECK_THROW(rendered("{% if true %}{{ 1|nosuch }}{% endif %}"), TemplateError);
  BOOST_CHECK_THROW(ChatTemplate::parse("{% for x in [] %}{{ 1|nosuch }}{% endfor %}"),
                    TemplateError);
}

// What Python's Jinja2 renders for each, with {"x": "X"}: it compiles a scope to a function, whose
// local variables are undefined until assigned.
BOOST_AUTO_TEST_CASE(scopes_hide_names_that_they_assign_later) {
  const ordered_json context = {{"x", "X"}};
  BOOST_TEST(rendered("{{ x }}{% set x = 1 %}{{ x }}", context) == "X1");
  BOOST_TEST(rendered("{% for i in [1, 2] %}{{ x }}{% endfor %}{% set x = 1 %}{{ x }}", context) ==
             "1");
  BOOST_TEST(rendered("{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
                      context) == "X1X2X");
  BOOST_TEST(rendered("{% for i in [1, 2] %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", context) ==
             "12X");
  BOOST_TEST(rendered("{% macro m() %}[{{ x }}]{% endmacro %}{{ m() }}{% set x = 1 %}{{ m() }}",
                      context) == "[][1]");
  BOOST_TEST(rendered("{% set x %}<{{ x }}>{% endset %}{{ x }}", context) == "<>");
  BOOST_TEST(rendered("{% if false %}{% set x = 1 %}{% endif %}{{ x }}", context) == "X");
  BOOST_TEST(
      rendered("{% for i in [1] %}{{ x }}{% endfor %}{% if true %}{% set x = 1 %}{% endif %}",
               context) == "X");
  BOOST_TEST(
      rendered("{% for i in [1] %}{% for j in [1] %}{{ x }}{% endfor %}{% set x = 2 %}{% endfor %}",
               context) == "");
}

BOOST_AUTO_TEST_CASE(formats_the_current_time) {
  const std::string year = rendered("{{ strftime_now('%Y') }}");
  BOOST_TEST(year.size() == 4u);
  BOOST_TEST(std::stoi(year) >= 2024);
  BOOST_TEST(rendered("[{{ strftime_now('') }}]") == "[]");
}

BOOST_AUTO_TEST_SUITE_END()

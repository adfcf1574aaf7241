// What the tests of chat templates share.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/text/chat_template.hpp"
#include "support/testdata.hpp"

namespace gpumodel::test {

using engine::text::ChatTemplate;
using engine::text::Segment;
using engine::text::TemplateError;
using engine::text::TemplateLimits;
using nlohmann::ordered_json;

inline std::string joined(const std::vector<Segment>& segments) {
  std::string text;
  for (const Segment& segment : segments) text += segment.text;
  return text;
}

inline std::string rendered(const std::string& source,
                            const ordered_json& context = ordered_json::object(),
                            const TemplateLimits& limits = {}) {
  return joined(ChatTemplate::parse(source).render(context, limits));
}

// The lines that tests/support/template_oracle.py prints.
inline std::vector<ordered_json> template_oracle(const std::string& arguments) {
  const std::string command =
      oracle_python() + " " + source_path("tests/support/template_oracle.py") + " " + arguments;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[65536];
  for (std::size_t size = 0; (size = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    text.append(buffer, size);
  BOOST_REQUIRE_EQUAL(::pclose(pipe), 0);
  std::vector<ordered_json> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(ordered_json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

// Whether the template renders to `expected`, or fails where that is null.
inline boost::test_tools::assertion_result renders_as(const std::string& source,
                                                      const ordered_json& context,
                                                      const ordered_json& expected) {
  boost::test_tools::assertion_result result(true);
  std::string got;
  try {
    got = rendered(source, context);
    result = expected.is_string() && got == expected.get_ref<const std::string&>();
    got = ordered_json(got).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  } catch (const TemplateError& error) {
    result = expected.is_null();
    got = error.what();
  }
  if (!result)
    result.message() << "\n template: " << ordered_json(source).dump()
                     << "\n context: " << context.dump() << "\n expected: " << expected.dump()
                     << "\n got: " << got;
  return result;
}

}  // namespace gpumodel::test

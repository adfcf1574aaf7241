// Malformed and hostile templates: each gives one TemplateError, soon, and takes bounded memory.
#include <chrono>

#include "unit/engine/text/template_support.hpp"

using namespace gpumodel::test;

BOOST_AUTO_TEST_SUITE(template_limits)

namespace {

std::string repeated(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t n = 0; n < count; ++n) all += text;
  return all;
}

// Limits at which even a build with sanitizers gives up within a moment.
const TemplateLimits kSmall{.steps = 3'000'000,
                            .depth = 400,
                            .output_bytes = 1 << 20,
                            .string_bytes = 1 << 20,
                            .elements = 100'000,
                            .live_bytes = 16 << 20};

void fails(const std::string& source, const std::string& reason = {},
           const ordered_json& context = ordered_json::object()) {
  try {
    rendered(source, context, kSmall);
    BOOST_ERROR("rendered: " << source.substr(0, 200));
  } catch (const TemplateError& error) {
    BOOST_TEST(std::string(error.what()).find(reason) != std::string::npos,
               source.substr(0, 200) << " failed with: " << error.what());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(malformed_templates_are_refused) {
  for (const char* source : {"{{",
                             "{{ }}",
                             "{{ a",
                             "{%",
                             "{% if %}x{% endif %}",
                             "{% if a %}",
                             "{% endif %}",
                             "{% for x %}{% endfor %}",
                             "{% for x in %}{% endfor %}",
                             "{% for 1 in x %}{% endfor %}",
                             "{{ a b }}",
                             "{{ 'a }}",
                             "{{ \"a }}",
                             "{{ (a }}",
                             "{{ a) }}",
                             "{{ [a }}",
                             "{{ {a: } }}",
                             "{{ a.'b' }}",
                             "{{ a| }}",
                             "{{ a|1 }}",
                             "{{ a is }}",
                             "{{ a is b is c }}",
                             "{{ f(a=1, 2) }}",
                             "{{ f(a=1, a=2) }}",
                             "{{ f(**a, *b) }}",
                             "{{ f(,) }}",
                             "{{ a ! b }}",
                             "{{ ; }}",
                             "{{ a ? b }}",
                             "{# never closed",
                             "{% raw %}never closed",
                             "{% set %}",
                             "{% set 1 = 2 %}",
                             "{% set none = 2 %}",
                             "{% set a.b.c = 2 %}",
                             "{% set [a] = 2 %}",
                             "{% macro %}{% endmacro %}",
                             "{% macro f(a=1, b) %}{% endmacro %}",
                             "{% macro f(a, a) %}{% endmacro %}",
                             "{% call x %}{% endcall %}",
                             "{% break %}",
                             "{% continue %}",
                             "{% macro f() %}{% break %}{% endmacro %}",
                             "{% for x in y %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
                             "{% else %}",
                             "{% if a %}{% else %}{% else %}{% endif %}",
                             "{% 1 %}",
                             "{% with a %}{% endwith %}",
                             "{{ '\\x4' }}",
                             "{{ '\\ud800' }}",
                             "{{ '\\N{BULLET}' }}",
                             "{{ 0x }}",
                             "{{ 1__0 }}",
                             "{{ 08 }}",
                             "{{ a if }}",
                             "{{ not }}",
                             "{{ * }}",
                             "{% extends 'a' %}",
                             "{% import 'a' as b %}",
                             "{% from 'a' import b %}",
                             "{% autoescape true %}{% endautoescape %}",
                             "{% block a %}{% endblock %}{% block a %}{% endblock %}"})
    BOOST_CHECK_EXCEPTION(
        ChatTemplate::parse(source), TemplateError,
        [&](const TemplateError& error) { return error.line() == 1 && !error.reason().empty(); });
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused) {
  for (const std::size_t depth : {1000, 80'000}) {
    fails("{{ " + repeated("(", depth) + "1" + repeated(")", depth) + " }}", "nested deeper");
    fails("{{ " + repeated("[", depth) + repeated("]", depth) + " }}", "nested deeper");
    fails("{{ " + repeated("{1:", depth) + "1" + repeated("}", depth) + " }}", "nested deeper");
    fails("{{ " + repeated("not ", depth) + "1 }}", "nested deeper");
    fails("{{ " + repeated("-", depth) + "1 }}", "nested deeper");
    fails("{{ " + repeated("1 if 1 else ", depth) + "1 }}", "nested deeper");
    fails("{{ 1" + repeated("+1", depth) + " }}", "deeper");
    fails("{{ 1" + repeated("**1", depth) + " }}", "deeper");
    fails("{{ 1" + repeated(" and 1", depth) + " }}", "deeper");
    fails("{{ a" + repeated(".a", depth) + " }}", "deeper");
    fails("{{ a" + repeated("|e", depth) + " }}", "deeper");
    fails("{{ a" + repeated("()", depth) + " }}", "deeper");
    fails("{{ a" + repeated("[0]", depth) + " }}", "deeper");
  }
  fails(repeated("{% if 1 %}", 30'000), "nested deeper");
  fails(repeated("{% for a in b %}", 30'000), "nested deeper");
  fails("{% for " + repeated("(", 10'000) + "a" + repeated(")", 10'000) + " in b %}{% endfor %}",
        "nested deeper");
  BOOST_TEST(
      rendered("{{ 1" + repeated(" ~ 1", 20'000) + " }}", ordered_json::object(), kSmall).size() ==
      20'001u);
}

BOOST_AUTO_TEST_CASE(deep_recursion_is_refused) {
  fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recurses too deeply");
  fails("{% macro f(x) %}{% if x %}{{ f(x|map('upper')) }}{% endif %}{% endmacro %}{{ f(['a']) }}");
  fails("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recurses too deeply");
  fails(
      "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall "
      "%}{% endmacro %}{{ g() }}",
      "recurses too deeply");
}

BOOST_AUTO_TEST_CASE(deep_values_are_refused_or_harmless) {
  const std::string chain = "{% set ns = namespace(x=0) %}{% for i in range(9999) %}{% set ns.x = ";
  const std::string end = " %}{% endfor %}done";
  fails(chain + "[ns.x]" + end, "nested deeper");
  fails(chain + "{1: ns.x}" + end, "nested deeper");
  fails(chain + "(ns.x,)" + end, "nested deeper");
  fails(chain + "[ns.x]|map('string')" + end, "nested deeper");
  fails(chain + "{'x': ns.x}.get" + end, "nested deeper");
  fails(chain + "cycler(ns.x)" + end, "nested deeper");
  fails(
      "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% for y in [ns.x] %}{% set ns.x = "
      "loop.changed %}{% endfor %}"
      "{% endfor %}{% for i in range(9) %}{{ ns.x([ns]) }}{% endfor %}{{ 1 // 0 }}",
      "zero");
  BOOST_TEST(rendered(chain + "namespace(x=ns.x)" + end, ordered_json::object(), kSmall) == "done");
  BOOST_TEST(rendered("{% set ns = namespace(x=0) %}{% for i in range(3000) %}{% set old = ns.x "
                      "%}{% macro m() %}{{ old }}{% endmacro %}"
                      "{% set ns.x = m %}{% endfor %}done",
                      ordered_json::object(), kSmall) == "done");
  BOOST_TEST(
      rendered(
          "{% set ns = namespace() %}{% set ns.x = ns %}{% set ns.y = [ns] %}{{ ns.x.x.y|length }}",
          ordered_json::object(), kSmall) == "1");
  fails("{% set ns = namespace() %}{% set ns.y = [ns] %}{{ ns }}");
}

BOOST_AUTO_TEST_CASE(growth_is_refused) {
  fails("{{ range(10**9) }}", "Range too big");
  fails("{{ range(-9223372036854775807, 9223372036854775807) }}", "Range too big");
  fails(
      "{{ range(9223372036854775807, -9223372036854775807, -9223372036854775807 - 1)|list }}{{ 1 "
      "// 0 }}");
  fails("{{ 'a' * 10**9 }}", "longer than");
  fails("{{ 'ab' * 9223372036854775807 }}", "longer than");
  fails("{{ [1] * 10**9 }}", "elements");
  fails("{{ [1, 2] * 9223372036854775807 }}", "elements");
  fails("{{ 9**9**9 }}", "64 bits");
  fails("{{ -(-9223372036854775807 - 1) }}", "64 bits");
  fails("{{ (-9223372036854775807 - 1) // -1 }}", "64 bits");
  BOOST_TEST(rendered("{{ (-9223372036854775807 - 1) % -1 }}", ordered_json::object(), kSmall) ==
             "0");
  fails("{{ '%1000000000d' % 1 }}", "format asks");
  fails("{{ '%.1000000000f' % 1 }}", "format asks");
  fails("{{ '{:1000000000}'.format(1) }}", "format asks");
  fails("{{ 'a'.center(10**9) }}", "longer than");
  fails("{{ 'a'.zfill(10**9) }}", "longer than");
  fails("{{ 'a'|center(10**9) }}", "longer than");
  fails("{{ 'a'|indent(10**9) }}", "longer than");
  fails("{{ [1]|tojson(indent=10**9) }}", "longer than");
  fails("{{ [1]|batch(10**9, 'x')|list }}", "elements");
  fails("{{ [1]|slice(10**9)|list }}", "elements");
  fails("{{ ('a' * 1000000).replace('', 'aaaa') }}", "longer than");
  fails("{{ ('a,' * 500000).split(',') }}", "elements");
  fails("{{ (['a' * 100000] * 1000)|join }}", "longer than");
  fails(
      "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% "
      "endfor %}",
      "longer than");
  fails(
      "{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = ns.l + "
      "['0123456789abcdef' * 62500] "
      "%}{% endfor %}",
      "values take");
  fails(
      "{% set ns = namespace(x=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% "
      "endfor %}{{ ns.x }}");
  fails(
      "{% set ns = namespace(x=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% "
      "endfor %}{{ ns.x|tojson }}");
  fails(
      "{% set a = namespace(x=[1], y=[1]) %}{% for i in range(50) %}{% set a.x = [a.x, a.x] %}{% "
      "set a.y = [a.y, a.y] %}{% endfor %}"
      "{{ a.x == a.y }}",
      "steps");
  fails("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "steps");
  fails("{% for i in range(100000) %}0123456789012345{% endfor %}", "longer than");
  fails("{{ x }}", "nested too deeply",
        {{"x", ordered_json::parse(repeated("[", 1000) + repeated("]", 1000))}});
  fails("{{ x }}", "64 bits", {{"x", 18446744073709551615u}});
}

BOOST_AUTO_TEST_CASE(default_limits_end_a_busy_template_in_seconds) {
  const auto begin = std::chrono::steady_clock::now();
  BOOST_CHECK_THROW(rendered("{% for i in range(99999) %}{% for j in range(99999) %}{{ 'x'.upper() "
                             "}}{% endfor %}{% endfor %}"),
                    TemplateError);
  BOOST_CHECK_THROW(
      rendered("{% set s = 'ab' * 9000000 %}{% for i in range(99999) %}{{ 'c' in s }}{% endfor %}"),
      TemplateError);
  BOOST_CHECK_THROW(
      rendered(
          "{% set s = 'ä' * 9000000 %}{% for i in range(99999) %}{{ s[8999999] }}{% endfor %}"),
      TemplateError);
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(60)));
}

BOOST_AUTO_TEST_CASE(any_cut_of_a_template_is_an_error_or_a_template) {
  const std::string source =
      "{%- macro m(a, b=1) -%}{{ a[1:] ~ b|d('x', true) }}{%- endmacro -%}{# c #}{% for x, y in "
      "d.items() if x is not none "
      "recursive %}{{ loop.index }}{{ m(x, b={'k': [1.5e3, (2,)]}) if y else '\\u00e4' }}{% else "
      "%}{% raw %}{{ {% endraw %}{% endfor %}";
  for (std::size_t size = 0; size <= source.size(); ++size) {
    for (const std::size_t begin :
         {std::size_t{0}, size / 2, size - std::min<std::size_t>(size, 20)}) {
      try {
        rendered(source.substr(begin, size - begin), {{"d", {{"k", "v"}}}}, kSmall);
      } catch (const TemplateError& error) {
        BOOST_TEST(!error.reason().empty());
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

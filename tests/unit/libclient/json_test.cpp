#include <clocale>
#include <string>

#include "support/fake_daemon.hpp"

#include <boost/test/unit_test.hpp>

extern "C" {
#include "libclient/error.h"
#include "libclient/json.h"
}

namespace {

using gpumodel::test::json;

std::string text_of(const std::string& bytes) {
  msgpack_unpacked unpacked;
  msgpack_unpacked_init(&unpacked);
  std::size_t offset = 0;
  BOOST_REQUIRE(msgpack_unpack_next(&unpacked, bytes.data(), bytes.size(), &offset) ==
                MSGPACK_UNPACK_SUCCESS);
  char* text = gmi_json_text(&unpacked.data);
  BOOST_REQUIRE(text != nullptr);
  std::string copy = text;
  gm_free(text);
  msgpack_unpacked_destroy(&unpacked);
  return copy;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_text)

BOOST_AUTO_TEST_CASE(values_survive_another_parser) {
  const json value = {{"n", nullptr},
                      {"yes", true},
                      {"no", false},
                      {"big", UINT64_MAX},
                      {"small", INT64_MIN},
                      {"pi", 3.141592653589793},
                      {"tiny", 1e-300},
                      {"half", 0.5},
                      {"text", "a\"b\\c\nd\te\x7f/\xc3\xa9\xf0\x9f\x98\x80"},
                      {"list", {1, {2, {}}, json::object()}}};
  BOOST_TEST(json::parse(text_of(gpumodel::test::packed(value))) == value);
}

BOOST_AUTO_TEST_CASE(what_json_lacks_is_replaced) {
  BOOST_TEST(text_of(std::string("\xa3"
                                 "a\x00"
                                 "b",
                                 4)) == "\"a\\u0000b\"");
  BOOST_TEST(text_of("\xa3"
                     "a\xff"
                     "b") ==
             "\"a\xef\xbf\xbd"
             "b\"");
  BOOST_TEST(text_of("\xa3\xed\xa0\x80") == "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
  BOOST_TEST(text_of(std::string("\xc4\x01z", 3)) == "null");
  BOOST_TEST(text_of(std::string("\xca\x7f\x80\x00\x00", 5)) == "null");
  BOOST_TEST(text_of("\x81\x05\x06") == "{\"5\":6}");
}

BOOST_AUTO_TEST_CASE(maps_as_keys_of_maps_do_not_grow_with_their_depth) {
  BOOST_TEST(text_of(std::string("\x82\x90\x05\x80\x06")) == "{\"[...]\":5,\"{...}\":6}");
  // 30 maps, each the key of the one around it, and the values that are missing then.
  const std::string nested = std::string(30, '\x81') + std::string(31, '\xc0');
  BOOST_TEST(text_of(nested) == "{\"{...}\":null}");
}

BOOST_AUTO_TEST_CASE(an_empty_string_is_one) { BOOST_TEST(text_of("\xa0") == "\"\""); }

BOOST_AUTO_TEST_CASE(a_locale_with_a_comma_changes_nothing) {
  const char* const comma = std::setlocale(LC_NUMERIC, "de_DE.UTF-8");
  BOOST_TEST(text_of(gpumodel::test::packed(2.5)) == "2.5");
  if (comma != nullptr) std::setlocale(LC_NUMERIC, "C");
}

BOOST_AUTO_TEST_CASE(an_error_has_the_fields_of_the_wire) {
  gmi_error error{};
  error.status = GM_E_NO_MODEL;
  error.retry_after_ms = -1;
  std::string("no \"x\"").copy(error.message, sizeof error.message - 1);
  char detail[] = "{\"near\":[\"y\"]}";
  error.detail = detail;
  char* text = gmi_json_error(&error);
  const json expected = {{"code", -40},           {"name", "no_model"},
                         {"message", "no \"x\""}, {"detail", {{"near", {"y"}}}},
                         {"retryable", false},    {"retry_after_ms", nullptr}};
  BOOST_TEST(json::parse(text) == expected);
  gm_free(text);
}

BOOST_AUTO_TEST_SUITE_END()

#include "wire/codec.hpp"

#include <cmath>

#include "support/testdata.hpp"
#include "wire/frame.hpp"
#include "wire/messages.hpp"

using namespace gpumodel;
using wire::Code;
using wire::Error;

namespace {

struct Sample {
  bool flag = false;
  std::uint8_t small = 0;
  std::int64_t wide = 0;
  std::uint64_t natural = 0;
  double real = 0;
  std::string text = "untouched";
  std::optional<std::string> maybe;
  std::vector<std::pair<std::int32_t, float>> pairs;
  wire::Raw raw;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("flag", self.flag);
    visit("small", self.small);
    visit("wide", self.wide);
    visit("natural", self.natural);
    visit("real", self.real);
    visit("text", self.text);
    visit("maybe", self.maybe);
    visit("pairs", self.pairs);
    visit("raw", self.raw);
  }
};

template <class Value>
std::string one_pair(std::string_view key, const Value& value) {
  std::string out;
  wire::StringSink sink{out};
  wire::Packer packer(sink);
  packer.pack_map(1);
  wire::write(packer, key);
  wire::write(packer, value);
  return out;
}

// The message of the Error{invalid} that decoding gives, or "" where there is none.
std::string refusal(const std::string& bytes) {
  try {
    wire::decode_bytes<Sample>(bytes);
    return "";
  } catch (const Error& error) {
    BOOST_TEST((error.code == Code::invalid));
    return error.message;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(codec_test)

BOOST_AUTO_TEST_CASE(a_struct_survives_the_round_trip) {
  Sample sample{true, 255, INT64_MIN, UINT64_MAX, 0.1, "\xc3\xa4", "yes", {{-3, -INFINITY}, {7, 1.5f}},
                {wire::encode(std::string("any"))}};
  const auto back = wire::decode_bytes<Sample>(wire::encode(sample));
  BOOST_TEST(back.flag);
  BOOST_TEST(back.small == 255);
  BOOST_TEST(back.wide == INT64_MIN);
  BOOST_TEST(back.natural == UINT64_MAX);
  BOOST_TEST(back.real == 0.1);
  BOOST_TEST(back.text == sample.text);
  BOOST_TEST(back.maybe.value() == "yes");
  BOOST_TEST((back.pairs == sample.pairs));
  BOOST_TEST(back.raw.bytes == sample.raw.bytes);
}

BOOST_AUTO_TEST_CASE(absent_nil_and_unknown_keys_leave_the_default) {
  BOOST_TEST(wire::decode_bytes<Sample>(one_pair("unknown", 5)).text == "untouched");
  BOOST_TEST(wire::decode_bytes<Sample>(one_pair("text", std::optional<int>())).text == "untouched");
  BOOST_TEST(!wire::decode_bytes<Sample>(wire::encode(Sample{})).maybe.has_value());
}

BOOST_AUTO_TEST_CASE(an_integer_serves_as_a_number_but_not_the_other_way_round) {
  BOOST_TEST(wire::decode_bytes<Sample>(one_pair("real", -2)).real == -2.0);
  BOOST_TEST(refusal(one_pair("wide", 2.5)) == "wide: expected an integer");
}

BOOST_AUTO_TEST_CASE(a_wrong_value_is_refused_with_its_key) {
  BOOST_TEST(refusal(one_pair("small", 256)) == "small: expected an integer from 0 to 255");
  BOOST_TEST(refusal(one_pair("small", -1)) == "small: expected an integer from 0 to 255");
  BOOST_TEST(refusal(one_pair("flag", 1)) == "flag: expected true or false");
  BOOST_TEST(refusal(one_pair("text", 1)) == "text: expected a string");
  BOOST_TEST(refusal(one_pair("text", std::string("\xff"))) == "text: expected valid UTF-8");
  BOOST_TEST(refusal(one_pair("real", std::nan(""))) == "real: expected a number, not NaN");
  BOOST_TEST(refusal(one_pair("pairs", std::vector<int>{1})) == "pairs: expected a pair");
  BOOST_TEST(refusal(one_pair("pairs", 1)) == "pairs: expected an array");
}

BOOST_AUTO_TEST_CASE(errors_survive_the_round_trip) {
  Error error(Code::never_fits, "too big");
  error.detail = one_pair("missing_bytes", std::uint64_t{1} << 40);
  error.retry_after_ms = 250;
  std::string message;
  wire::append_error_response(message, 9, error);
  const wire::Frame frame = wire::decode_frame(message);
  BOOST_TEST(frame.id == 9u);
  const Error back = wire::decode_error(frame.error);
  BOOST_TEST((back.code == Code::never_fits));
  BOOST_TEST(back.message == "too big");
  BOOST_TEST(back.detail == error.detail);
  BOOST_TEST(!back.retryable);
  BOOST_TEST(back.retry_after_ms.value() == 250u);
}

BOOST_AUTO_TEST_CASE(utf8_is_checked_by_the_standards_table) {
  for (const char* good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "h\xc3\xa9llo"})
    BOOST_TEST(wire::is_valid_utf8(good), good);
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82",
                          "a\xff", "\xf0\x90\x80"})
    BOOST_TEST(!wire::is_valid_utf8(bad));
}

BOOST_AUTO_TEST_SUITE_END()

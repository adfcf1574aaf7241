#include "broker/quantities.hpp"

#include <boost/test/unit_test.hpp>

using namespace gpumodel::broker;

BOOST_AUTO_TEST_SUITE(quantities)

BOOST_AUTO_TEST_CASE(sizes_are_powers_of_1024) {
  BOOST_TEST(parse_size("512 B").value() == 512u);
  BOOST_TEST(parse_size("4 GiB").value() == 4ull << 30);
  BOOST_TEST(parse_size("40G").value() == 40ull << 30);
  BOOST_TEST(parse_size("1.5 KiB").value() == 1536u);
  BOOST_TEST(parse_size("2 T").value() == 2ull << 40);
  BOOST_TEST(parse_size("0 B").value() == 0u);
}

BOOST_AUTO_TEST_CASE(other_texts_are_no_sizes) {
  for (const char* text : {"", "4", "GiB", "4 GB", "4 gib", "-1 K", "+1 K", "1e3 K", "4 GiB ",
                           " 4 GiB", "4GiBs", "nan B", "inf B", "0x10 B", "9999999 T", "4 iB"})
    BOOST_TEST(!parse_size(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(durations) {
  BOOST_TEST(parse_duration("500ms").value().count() == 500);
  BOOST_TEST(parse_duration("30s").value().count() == 30'000);
  BOOST_TEST(parse_duration("1.5 m").value().count() == 90'000);
  BOOST_TEST(parse_duration("2h").value().count() == 7'200'000);
}

BOOST_AUTO_TEST_CASE(other_texts_are_no_durations) {
  for (const char* text : {"", "30", "s", "30 sec", "-1s", "1d", "99999999h"})
    BOOST_TEST(!parse_duration(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(sizes_are_written_for_people) {
  BOOST_TEST(format_size(0) == "0 B");
  BOOST_TEST(format_size(1023) == "1023 B");
  BOOST_TEST(format_size(4ull << 30) == "4 GiB");
  BOOST_TEST(format_size(1536ull << 20) == "1.5 GiB");
}

BOOST_AUTO_TEST_SUITE_END()

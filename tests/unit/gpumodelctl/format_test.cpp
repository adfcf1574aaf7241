#include "gpumodelctl/format.hpp"

#include "support/testdata.hpp"

using namespace gpumodelctl;

BOOST_AUTO_TEST_SUITE(format_test)

BOOST_AUTO_TEST_CASE(bytes_have_three_digits) {
  BOOST_TEST(format_bytes(0) == "0");
  BOOST_TEST(format_bytes(1023) == "1023 B");
  BOOST_TEST(format_bytes(1024) == "1.00 KiB");
  BOOST_TEST(format_bytes(10 * 1024) == "10.0 KiB");
  BOOST_TEST(format_bytes(999 * 1024) == "999 KiB");
  BOOST_TEST(format_bytes(1000 * 1024) == "0.98 MiB");
  BOOST_TEST(format_bytes(269'060'552) == "257 MiB");
  BOOST_TEST(format_bytes(80ull << 30) == "80.0 GiB");
  BOOST_TEST(format_bytes(UINT64_MAX) == "16.0 EiB");
}

BOOST_AUTO_TEST_CASE(times_have_one_unit) {
  BOOST_TEST(format_ms(0) == "0 ms");
  BOOST_TEST(format_ms(999) == "999 ms");
  BOOST_TEST(format_ms(2449) == "2.4 s");
  BOOST_TEST(format_ms(61'000) == "1 min");
  BOOST_TEST(format_ms(7'200'000) == "2 h");
  BOOST_TEST(format_ms(86'400'000ull * 3) == "3 d");
}

BOOST_AUTO_TEST_CASE(columns_are_aligned_and_foreign_names_are_tamed) {
  Table table({{"NAME"}, {"BYTES", Table::Align::right}, {"NOTE"}});
  table.add({"a", "1", ""});
  table.add({"\xc3\xa4\xc3\xb6", "12345678", "evil\x1b[2J"});
  BOOST_TEST(table.text() ==
             "NAME     BYTES  NOTE\n"
             "a            1\n"
             "\xc3\xa4\xc3\xb6    12345678  evil?[2J\n");
}

BOOST_AUTO_TEST_SUITE_END()

#include "gpumodelctl/format.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

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
  BOOST_TEST(table.text(View{}) ==
             "NAME     BYTES  NOTE\n"
             "a            1\n"
             "\xc3\xa4\xc3\xb6    12345678  evil?[2J\n");
}

BOOST_AUTO_TEST_CASE(colours_do_not_shift_columns) {
  Table table({{"STATE"}, {"N", Table::Align::right}});
  table.add({{"ok", Tone::good}, "1"});
  table.add({{"failed", Tone::bad}, "22"});
  BOOST_TEST(table.text(View{}) == "STATE    N\nok       1\nfailed  22\n");
  std::string text = table.text(View{true, 0, false});
  BOOST_TEST(text.find("\033[32mok\033[0m") != std::string::npos);
  for (std::size_t at; (at = text.find('\033')) != std::string::npos;)
    text.erase(at, text.find('m', at) + 1 - at);
  BOOST_TEST(text == table.text(View{}));
}

BOOST_AUTO_TEST_CASE(what_is_too_long_ends_in_a_tilde) {
  BOOST_TEST(cut("abc", 3) == "abc");
  BOOST_TEST(cut("abcd", 3) == "ab~");
  BOOST_TEST(cut("\xc3\xa4\xc3\xb6\xc3\xbc", 2) == "\xc3\xa4~");
  BOOST_TEST(cut("\033[1mabcd\033[0m", 3) == "\033[1mab~\033[0m");  // the colour ends, too
  BOOST_TEST(shown_width("\033[1m\xc3\xa4z\033[0m") == 2u);
}

BOOST_AUTO_TEST_CASE(a_narrow_view_does_without_the_least_needed_columns) {
  Table table({{"NAME"}, {"SINCE", Table::Align::left, 2}, {"BYTES", Table::Align::right, 1}});
  table.add({"concept", "5.0 s", "328 MiB"});
  BOOST_TEST(table.text(View{false, 23, false}) ==
             "NAME     SINCE    BYTES\nconcept  5.0 s  328 MiB\n");
  BOOST_TEST(table.text(View{false, 22, false}) == "NAME       BYTES\nconcept  328 MiB\n");
  BOOST_TEST(table.text(View{false, 10, false}) == "NAME\nconcept\n");
  BOOST_TEST(table.text(View{false, 6, false}) == "NAME\nconce~\n");
  BOOST_TEST(table.text(View{}) == "NAME     SINCE    BYTES\nconcept  5.0 s  328 MiB\n");
}

BOOST_AUTO_TEST_CASE(no_colour_without_a_terminal) {
  int ends[2];
  BOOST_REQUIRE(pipe(ends) == 0);
  BOOST_TEST(!wants_colour(ends[1]));
  close(ends[0]);
  close(ends[1]);
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  BOOST_REQUIRE(terminal >= 0);
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  BOOST_TEST(wants_colour(terminal));
  setenv("NO_COLOR", "1", 1);
  BOOST_TEST(!wants_colour(terminal));
  unsetenv("NO_COLOR");
  setenv("TERM", "dumb", 1);
  BOOST_TEST(!wants_colour(terminal));
  close(terminal);
}

BOOST_AUTO_TEST_SUITE_END()

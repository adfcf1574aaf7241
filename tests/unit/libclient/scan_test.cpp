#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "support/fake_daemon.hpp"

extern "C" {
#include "libclient/scan.h"
}

namespace {

using gpumodel::test::json;
using gpumodel::test::packed;

gmi_scan_state scan_whole(const std::string& bytes, gmi_scan* scan) {
  gmi_scan_reset(scan);
  return gmi_scan_run(scan, bytes.data(), bytes.size());
}

std::string nested(std::size_t depth, char innermost = '\xc0') {
  std::string bytes(depth, '\x91');
  bytes.push_back(innermost);
  return bytes;
}

std::string with(std::string head, std::size_t payload_bytes) {
  return head.append(payload_bytes, 'a');
}

std::string head32(unsigned char type, std::uint32_t length) {
  std::string bytes(1, static_cast<char>(type));
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(length >> shift);
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scan)

BOOST_AUTO_TEST_CASE(every_format_has_its_length) {
  const std::vector<std::string> values = {std::string("\x00", 1),
                                           "\x7f",
                                           "\xff",
                                           "\xc0",
                                           "\xc2",
                                           "\xc3",
                                           std::string("\xcc\x01", 2),
                                           std::string("\xcd\x01\x02", 3),
                                           with("\xce", 4),
                                           with("\xcf", 8),
                                           "\xd0\x01",
                                           std::string("\xd1\x01\x02", 3),
                                           with("\xd2", 4),
                                           with("\xd3", 8),
                                           with("\xca", 4),
                                           with("\xcb", 8),
                                           "\xa3"
                                           "abc",
                                           std::string("\xd9\x02", 2) + "ab",
                                           std::string("\xda\x00\x02", 3) + "ab",
                                           head32(0xdb, 2) + "ab",
                                           std::string("\xc4\x02", 2) + "ab",
                                           std::string("\xc5\x00\x02", 3) + "ab",
                                           head32(0xc6, 2) + "ab",
                                           with("\xd4", 2),
                                           with("\xd5", 3),
                                           with("\xd6", 5),
                                           with("\xd7", 9),
                                           with("\xd8", 17),
                                           std::string("\xc7\x02", 2) + "tab",
                                           std::string("\xc8\x00\x02", 3) + "tab",
                                           head32(0xc9, 2) + "tab",
                                           "\x90",
                                           "\x80",
                                           "\x92\x01\x02",
                                           "\x81\xa1k\x01",
                                           std::string("\xdc\x00\x01\x05", 4),
                                           head32(0xdd, 1) + "\x05",
                                           std::string("\xde\x00\x01\x05\x06", 5),
                                           head32(0xdf, 1) + "\x05\x06"};
  for (const std::string& value : values) {
    gmi_scan scan;
    BOOST_TEST_CONTEXT("first byte " << (value[0] & 0xff)) {
      BOOST_TEST(scan_whole(value + "rest", &scan) == GMI_SCAN_DONE);
      BOOST_TEST(scan.position == value.size());
      for (std::size_t cut = 0; cut < value.size(); ++cut) {
        BOOST_TEST(scan_whole(value.substr(0, cut), &scan) == GMI_SCAN_MORE);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(goes_on_where_it_stopped) {
  const std::string bytes =
      packed({1, 7, nullptr, {{"text", std::string(300, 'x')}, {"tokens", {1, 2, 300}}}});
  gmi_scan scan;
  gmi_scan_reset(&scan);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    BOOST_REQUIRE(gmi_scan_run(&scan, bytes.data(), size) == GMI_SCAN_MORE);
  }
  BOOST_TEST(gmi_scan_run(&scan, bytes.data(), bytes.size()) == GMI_SCAN_DONE);
  BOOST_TEST(scan.position == bytes.size());
  BOOST_TEST(scan.values == 1 + 3 + 1 + 4 + 3);
}

BOOST_AUTO_TEST_CASE(limits_are_exact) {
  gmi_scan scan;
  BOOST_TEST(scan_whole(nested(GMI_MESSAGE_DEPTH), &scan) == GMI_SCAN_DONE);
  BOOST_TEST(scan_whole(nested(GMI_MESSAGE_DEPTH + 1), &scan) == GMI_SCAN_INVALID);
  BOOST_TEST(scan_whole(nested(GMI_MESSAGE_DEPTH - 1, '\x90'), &scan) == GMI_SCAN_DONE);
  BOOST_TEST(scan_whole(nested(GMI_MESSAGE_DEPTH, '\x90'), &scan) == GMI_SCAN_INVALID);
  const std::string nils(GMI_MESSAGE_VALUES, '\xc0');
  const std::uint32_t inner = GMI_MESSAGE_VALUES - 1;  // the container itself is a value
  BOOST_TEST(scan_whole(head32(0xdd, inner) + nils, &scan) == GMI_SCAN_DONE);
  BOOST_TEST(scan.values == GMI_MESSAGE_VALUES);
  BOOST_TEST(scan_whole(head32(0xdd, inner + 1) + nils, &scan) == GMI_SCAN_INVALID);
  BOOST_TEST(scan_whole(head32(0xdf, inner / 2) + nils, &scan) == GMI_SCAN_DONE);
  BOOST_TEST(scan_whole(head32(0xdf, inner / 2 + 1) + nils, &scan) == GMI_SCAN_INVALID);
  const std::uint32_t most = GMI_MESSAGE_BYTES - 5;
  BOOST_TEST(scan_whole(head32(0xdb, most), &scan) == GMI_SCAN_MORE);
  BOOST_TEST(scan_whole(head32(0xdb, most + 1), &scan) == GMI_SCAN_INVALID);
}

BOOST_AUTO_TEST_CASE(claims_are_refused_before_they_arrive) {
  gmi_scan scan;
  for (unsigned char type : {0xdb, 0xc6, 0xc9, 0xdd, 0xdf}) {
    BOOST_TEST(scan_whole(head32(type, 0xffffffffu), &scan) == GMI_SCAN_INVALID);
    BOOST_TEST(scan_whole(std::string("\x91").append(head32(type, 0x04000000u)), &scan) ==
               GMI_SCAN_INVALID);
  }
  BOOST_TEST(scan_whole("\xc1", &scan) == GMI_SCAN_INVALID);
  BOOST_TEST(scan.fault != nullptr);
  BOOST_TEST(gmi_scan_run(&scan, "\xc0", 1) == GMI_SCAN_INVALID);
}

BOOST_AUTO_TEST_CASE(values_of_many_containers_add_up) {
  const std::uint32_t half = (GMI_MESSAGE_VALUES - 4) / 2;  // the outer array, two heads, one nil
  const std::string two = head32(0xdd, half) + std::string(half, '\xc0') + head32(0xdd, half) +
                          std::string(half, '\xc0');
  gmi_scan scan;
  BOOST_TEST(scan_whole("\x93" + two + "\xc0", &scan) == GMI_SCAN_DONE);
  BOOST_TEST(scan.values == GMI_MESSAGE_VALUES);
  BOOST_TEST(scan_whole("\x94" + two + "\xc0\xc0", &scan) == GMI_SCAN_INVALID);
}

BOOST_AUTO_TEST_SUITE_END()

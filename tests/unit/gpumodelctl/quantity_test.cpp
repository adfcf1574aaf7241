#include "gpumodelctl/quantity.hpp"

#include "gpumodelctl/failure.hpp"
#include "support/testdata.hpp"

using namespace gpumodelctl;

BOOST_AUTO_TEST_SUITE(quantity_test)

BOOST_AUTO_TEST_CASE(sizes_are_powers_of_1024) {
  BOOST_TEST(parse_bytes("--bytes", "40G") == 40ull << 30);
  BOOST_TEST(parse_bytes("--bytes", "512 MiB") == 512ull << 20);
  BOOST_TEST(parse_bytes("--bytes", "1.5GiB") == 3ull << 29);
  BOOST_TEST(parse_bytes("--bytes", "4096") == 4096u);
  BOOST_TEST(parse_bytes("--bytes", "1B") == 1u);
  BOOST_TEST(parse_bytes("--bytes", "2T") == 2ull << 40);
}

BOOST_AUTO_TEST_CASE(times_have_units) {
  BOOST_TEST(parse_ms("--for", "2h") == 7'200'000u);
  BOOST_TEST(parse_ms("--for", "90") == 90'000u);
  BOOST_TEST(parse_ms("--for", "1.5 m") == 90'000u);
  BOOST_TEST(parse_ms("--for", "250ms") == 250u);
  BOOST_TEST(parse_ms("--for", "1d") == 86'400'000u);
}

BOOST_AUTO_TEST_CASE(anything_else_is_a_usage_failure_that_names_the_option) {
  const auto names_it = [](const char* option) {
    return [option](const Failure& failure) {
      return failure.exit == kExitUsage && std::string(failure.what()).find(option) == 0;
    };
  };
  for (const char* bad :
       {"", "G", "-1G", "0", "1X", "1 G B", "nan", "inf", "1e30", "40g", "99999999T"})
    BOOST_CHECK_EXCEPTION(parse_bytes("--bytes", bad), Failure, names_it("--bytes"));
  for (const char* bad : {"", "h", "-2h", "0s", "2 hours", "1e9", "999999999999d"})
    BOOST_CHECK_EXCEPTION(parse_ms("--for", bad), Failure, names_it("--for"));
}

BOOST_AUTO_TEST_SUITE_END()

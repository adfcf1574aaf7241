#include "gpumodelctl/text.hpp"

#include "gpumodelctl/failure.hpp"
#include "support/testdata.hpp"

using namespace gpumodelctl;

BOOST_AUTO_TEST_SUITE(text_test)

BOOST_AUTO_TEST_CASE(token_lists) {
  BOOST_TEST((parse_tokens("1,2,3") == std::vector<std::int32_t>{1, 2, 3}));
  BOOST_TEST((parse_tokens(" 7 8,\n9 ") == std::vector<std::int32_t>{7, 8, 9}));
  for (const char* bad : {"", ",", "1,x", "-1", "1.5", "99999999999", "1;2"})
    BOOST_CHECK_EXCEPTION(parse_tokens(bad), Failure,
                          [](const Failure& failure) { return failure.exit == kExitUsage; });
}

BOOST_AUTO_TEST_SUITE_END()

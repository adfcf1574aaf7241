#include "broker/near_names.hpp"

#include <boost/test/unit_test.hpp>

using gpumodel::broker::edit_distance;
using gpumodel::broker::near_names;

namespace {
const std::vector<std::string_view> kKnown{"concept", "relationship", "attribute",
                                           "Qwen2.5-7B-Instruct"};

std::vector<std::string> near(std::string_view wanted) { return near_names(wanted, kKnown, 3); }
}  // namespace

BOOST_AUTO_TEST_SUITE(near_names_suite)

BOOST_AUTO_TEST_CASE(distance_counts_single_edits) {
  BOOST_TEST(edit_distance("", "") == 0u);
  BOOST_TEST(edit_distance("", "abc") == 3u);
  BOOST_TEST(edit_distance("kitten", "sitting") == 3u);
  BOOST_TEST(edit_distance("CONCEPT", "concept") == 0u);
}

BOOST_AUTO_TEST_CASE(finds_mistyped_shortened_and_extended_names) {
  BOOST_TEST(near("conceptt") == std::vector<std::string>{"concept"},
             boost::test_tools::per_element());
  BOOST_TEST(near("relation") == std::vector<std::string>{"relationship"},
             boost::test_tools::per_element());
  BOOST_TEST(near("qwen2.5-7b") == std::vector<std::string>{"Qwen2.5-7B-Instruct"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nothing_is_near_a_stranger) {
  BOOST_TEST(near("llama-70b").empty());
  BOOST_TEST(near("").empty());
}

BOOST_AUTO_TEST_CASE(nearest_come_first_and_the_number_is_bounded) {
  const std::vector<std::string_view> known{"model-c", "model-b", "model-a", "model"};
  BOOST_TEST(near_names("model", known, 2) == (std::vector<std::string>{"model", "model-a"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(long_names_cost_no_more_than_short_ones) {
  const std::string huge(1u << 20, 'x');
  BOOST_TEST(near_names(huge, kKnown, 3).empty());
}

BOOST_AUTO_TEST_SUITE_END()

#include "gpumodelctl/bar.hpp"

#include <numeric>
#include <random>

#include "support/testdata.hpp"

using namespace gpumodelctl;

namespace {

std::vector<Share> shares_of(const std::vector<std::uint64_t>& amounts) {
  std::vector<Share> shares;
  for (const std::uint64_t amount : amounts) shares.push_back({"x", amount, '#'});
  return shares;
}

using Parts = std::vector<std::size_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(bar_test)

BOOST_AUTO_TEST_CASE(cells_are_divided_as_the_amounts_are) {
  BOOST_TEST((divide(shares_of({1, 1}), 10) == Parts{5, 5}));
  BOOST_TEST((divide(shares_of({3, 1}), 8) == Parts{6, 2}));
  BOOST_TEST((divide(shares_of({0, 7, 0}), 4) == Parts{0, 4, 0}));
  BOOST_TEST((divide(shares_of({0, 0}), 4) == Parts{0, 0}));
  // What is there is seen.
  BOOST_TEST((divide(shares_of({1, 1'000'000, 1}), 10) == Parts{1, 8, 1}));
}

// For any amounts: all cells are given, and each share has its part to within one cell, more only
// where something would not be seen otherwise.
BOOST_AUTO_TEST_CASE(random_amounts_fill_the_bar) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint64_t> amounts(1 + random() % 6);
    for (std::uint64_t& amount : amounts)
      amount = random() % 3 == 0 ? 0 : random() >> random() % 64;
    const std::size_t cells = 10 + random() % 60;
    const Parts parts = divide(shares_of(amounts), cells);
    const double sum = std::accumulate(amounts.begin(), amounts.end(), 0.0);
    if (sum == 0) continue;
    BOOST_TEST(std::accumulate(parts.begin(), parts.end(), std::size_t{0}) == cells);
    for (std::size_t i = 0; i < amounts.size(); ++i) {
      const double exact = static_cast<double>(amounts[i]) / sum * static_cast<double>(cells);
      BOOST_TEST((parts[i] == 0) == (amounts[i] == 0));
      BOOST_TEST(static_cast<double>(parts[i]) < exact + 1.001);
      BOOST_TEST(static_cast<double>(parts[i]) >
                 exact - 1.001 - static_cast<double>(amounts.size()));
    }
  }
}

BOOST_AUTO_TEST_CASE(letters_where_there_is_no_colour_blocks_where_there_is) {
  const std::vector<Share> shares{{"weights", 2, '#', Tone::blue},
                                  {"free", 2, '.', Tone::dim, true}};
  BOOST_TEST(bar(shares, 4, View{}) == "##..");
  const View ascii{true, 80, false}, blocks{true, 80, true}, plain{false, 80, true};
  BOOST_TEST(bar(shares, 4, ascii) == "\033[34m##\033[0m\033[2m..\033[0m");
  BOOST_TEST(bar(shares, 4, blocks) == "\033[34m\u2588\u2588\033[0m\033[2m\u2591\u2591\033[0m");
  BOOST_TEST(bar(shares, 4, plain) == "##..");  // blocks of one colour would say nothing
}

BOOST_AUTO_TEST_CASE(a_legend_names_what_is_there) {
  const std::vector<Share> shares{{"weights", 2048, '#'}, {"KV", 0, '='}, {"free", 512, '.'}};
  BOOST_TEST(
      (legend(shares, View{}) == std::vector<std::string>{"# weights 2.00 KiB", ". free 512 B"}));
}

BOOST_AUTO_TEST_SUITE_END()

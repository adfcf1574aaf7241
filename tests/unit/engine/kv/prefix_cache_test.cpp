#include "engine/kv/prefix_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <numeric>

namespace {

namespace kv = gpumodel::engine::kv;
using kv::kPageTokens;
using Tokens = std::vector<std::int32_t>;
using Pages = std::vector<kv::PageId>;

Tokens text(std::int32_t first, std::size_t tokens) {
  Tokens result(tokens);
  std::iota(result.begin(), result.end(), first);
  return result;
}

struct Cache {
  kv::PagePool pool{8};
  kv::PrefixCache cache{pool};
  const kv::PrefixOwner me{.uid = 1, .adapter = 0};

  // As a sequence that computes it and ends.
  Pages compute(const kv::PrefixOwner& owner, const Tokens& tokens) {
    kv::PageTable table(pool);
    BOOST_TEST_REQUIRE(table.reserve(static_cast<std::int64_t>(tokens.size())));
    cache.add(owner, tokens, table);
    return {table.pages().begin(), table.pages().end()};
  }
  Pages find(const kv::PrefixOwner& owner, const Tokens& tokens) {
    Pages pages;
    cache.find(owner, tokens, pages);
    for (const kv::PageId page : pages) pool.release(page);
    return pages;
  }
};

BOOST_FIXTURE_TEST_SUITE(prefix_cache, Cache)

BOOST_AUTO_TEST_CASE(full_pages_are_found_by_their_tokens) {
  const Pages pages = compute(me, text(0, 3 * kPageTokens + 5));
  BOOST_TEST(cache.pages() == 3u);
  BOOST_TEST(pool.used_pages() == 3);
  BOOST_TEST(pool.available_pages() == 8);
  BOOST_TEST(find(me, text(0, 3 * kPageTokens + 5)) == Pages(pages.begin(), pages.begin() + 3),
             boost::test_tools::per_element());
  Tokens other = text(0, 3 * kPageTokens);
  other[kPageTokens + 3] = 9999;
  BOOST_TEST(find(me, other) == Pages(pages.begin(), pages.begin() + 1),
             boost::test_tools::per_element());
  BOOST_TEST(find(me, text(1, 3 * kPageTokens)).empty());
  BOOST_TEST(find(me, {}).empty());
}

BOOST_AUTO_TEST_CASE(the_last_token_is_left_to_compute) {
  compute(me, text(0, 2 * kPageTokens));
  BOOST_TEST(find(me, text(0, 2 * kPageTokens)).size() == 1u);
  BOOST_TEST(find(me, text(0, 2 * kPageTokens + 1)).size() == 2u);
}

BOOST_AUTO_TEST_CASE(nobody_finds_another_s) {
  compute(me, text(0, kPageTokens));
  BOOST_TEST(find({.uid = 2, .adapter = 0}, text(0, 2 * kPageTokens)).empty());
  BOOST_TEST(find({.uid = 1, .adapter = 3}, text(0, 2 * kPageTokens)).empty());
}

BOOST_AUTO_TEST_CASE(the_least_recently_used_goes_first_and_leaves_before_what_it_hangs_on) {
  compute(me, text(0, 3 * kPageTokens));
  compute(me, text(5000, 3 * kPageTokens));
  find(me, text(0, kPageTokens + 1));
  kv::PageTable table(pool);
  BOOST_TEST(table.reserve(5 * kPageTokens));  // two are free
  BOOST_TEST(find(me, text(5000, 4 * kPageTokens)).size() == 2u);
  BOOST_TEST(find(me, text(0, 4 * kPageTokens)).size() == 1u);
  BOOST_TEST(table.reserve(8 * kPageTokens));
  BOOST_TEST(cache.pages() == 0u);
}

BOOST_AUTO_TEST_CASE(what_a_sequence_uses_stays) {
  compute(me, text(0, 2 * kPageTokens));
  Pages used;
  cache.find(me, text(0, 3 * kPageTokens), used);
  BOOST_TEST(pool.available_pages() == 6);
  kv::PageTable table(pool);
  BOOST_TEST(!table.reserve(7 * kPageTokens));
  BOOST_TEST(table.reserve(6 * kPageTokens));
  BOOST_TEST(cache.pages() == 2u);
  for (const kv::PageId page : used) pool.release(page);
  BOOST_TEST(pool.available_pages() == 2);
}

BOOST_AUTO_TEST_CASE(an_adapter_that_leaves_takes_its_pages_along) {
  compute(me, text(0, 2 * kPageTokens));
  compute({.uid = 1, .adapter = 4}, text(0, 2 * kPageTokens));
  compute({.uid = 2, .adapter = 4}, text(0, kPageTokens));
  cache.forget_adapter(4);
  BOOST_TEST(cache.pages() == 2u);
  BOOST_TEST(pool.used_pages() == 2);
}

BOOST_AUTO_TEST_CASE(what_is_there_already_is_kept_once) {
  const Pages first = compute(me, text(0, 2 * kPageTokens));
  kv::PageTable table(pool);
  BOOST_TEST_REQUIRE(table.reserve(2 * kPageTokens));
  cache.add(me, text(0, 2 * kPageTokens), table);
  BOOST_TEST(table.pages()[0] == first[0]);
  BOOST_TEST(pool.used_pages() == 2);
  table.truncate(0);
  BOOST_TEST(cache.pages() == 2u);
  BOOST_TEST(find(me, text(0, 3 * kPageTokens)) == first, boost::test_tools::per_element());
}

// Two that begin alike are computed side by side; the first ends, and its page is wanted back while
// the second still hangs on it.
BOOST_AUTO_TEST_CASE(whoever_holds_a_page_holds_those_before_it) {
  kv::PageTable one(pool), other(pool);
  BOOST_TEST_REQUIRE((one.reserve(2 * kPageTokens) && other.reserve(2 * kPageTokens)));
  Tokens second = text(0, 2 * kPageTokens);
  second.back() = 9999;
  cache.add(me, text(0, 2 * kPageTokens), one);
  cache.add(me, second, other);
  BOOST_TEST(other.pages()[0] == one.pages()[0]);
  one.truncate(0);
  kv::PageTable pressure(pool);
  BOOST_TEST(pressure.reserve(6 * kPageTokens));
  BOOST_TEST(!pressure.reserve(7 * kPageTokens));
  cache.add(me, second, other);
  BOOST_TEST(cache.pages() == 2u);
  other.truncate(0);
  pressure.truncate(0);
  BOOST_TEST(pool.available_pages() == 8);
  BOOST_TEST(pressure.reserve(8 * kPageTokens));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

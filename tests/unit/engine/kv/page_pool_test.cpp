#include "engine/kv/page_pool.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <utility>

namespace kv = gpumodel::engine::kv;

BOOST_AUTO_TEST_SUITE(page_pool)

BOOST_AUTO_TEST_CASE(gives_every_page_once_and_then_none) {
  kv::PagePool pool(5);
  std::vector<kv::PageId> pages;
  BOOST_TEST(pool.allocate(3, pages));
  BOOST_TEST(pool.allocate(2, pages));
  BOOST_TEST(std::set<kv::PageId>(pages.begin(), pages.end()) ==
             (std::set<kv::PageId>{0, 1, 2, 3, 4}));
  BOOST_TEST(pool.free_pages() == 0);
  BOOST_TEST(!pool.allocate(1, pages));
  BOOST_TEST(pages.size() == 5u);
}

BOOST_AUTO_TEST_CASE(takes_nothing_where_not_all_can_be_had) {
  kv::PagePool pool(4);
  std::vector<kv::PageId> pages;
  BOOST_TEST(!pool.allocate(5, pages));
  BOOST_TEST(pages.empty());
  BOOST_TEST(pool.free_pages() == 4);
}

BOOST_AUTO_TEST_CASE(a_page_is_free_after_its_last_holder) {
  kv::PagePool pool(1);
  std::vector<kv::PageId> pages;
  BOOST_TEST(pool.allocate(1, pages));
  pool.retain(pages[0]);
  BOOST_TEST(pool.holders(pages[0]) == 2);
  pool.release(pages[0]);
  BOOST_TEST(pool.free_pages() == 0);
  pool.release(pages[0]);
  BOOST_TEST(pool.free_pages() == 1);
  BOOST_TEST(pool.used_pages() == 0);
}

BOOST_AUTO_TEST_CASE(a_table_grows_by_whole_pages_and_shrinks) {
  kv::PagePool pool(4);
  kv::PageTable table(pool);
  BOOST_TEST(table.reserve(1));
  BOOST_TEST(table.pages().size() == 1u);
  BOOST_TEST(table.reserve(kv::kPageTokens));
  BOOST_TEST(table.pages().size() == 1u);
  const kv::PageId first = table.pages()[0];
  BOOST_TEST(table.reserve(3 * kv::kPageTokens + 1));
  BOOST_TEST(table.pages().size() == 4u);
  BOOST_TEST(table.pages()[0] == first);
  BOOST_TEST(table.capacity_tokens() == 4 * kv::kPageTokens);
  BOOST_TEST(!table.reserve(4 * kv::kPageTokens + 1));
  BOOST_TEST(table.pages().size() == 4u);
  table.truncate(kv::kPageTokens + 1);
  BOOST_TEST(table.pages().size() == 2u);
  BOOST_TEST(pool.free_pages() == 2);
}

BOOST_AUTO_TEST_CASE(a_table_gives_back_what_it_has) {
  kv::PagePool pool(4);
  {
    kv::PageTable table(pool);
    BOOST_TEST(table.reserve(100));
    kv::PageTable moved(std::move(table));
    BOOST_TEST(pool.used_pages() == 4);
    kv::PageTable other(pool);
    other = std::move(moved);
    BOOST_TEST(pool.used_pages() == 4);
    BOOST_TEST(other.pages().size() == 4u);
  }
  BOOST_TEST(pool.used_pages() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

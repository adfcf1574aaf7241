#include "engine/kv/kv_store.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <vector>

namespace io = gpumodel::engine::io;
namespace kv = gpumodel::engine::kv;

BOOST_AUTO_TEST_SUITE(kv_store)

BOOST_AUTO_TEST_CASE(every_run_has_its_own_bytes_and_pages_follow_each_other) {
  for (const io::DType dtype : {io::DType::f32, io::DType::f16, io::DType::bf16}) {
    const kv::KvLayout layout{.layers = 3, .kv_heads = 2, .head_dim = 10, .dtype = dtype};
    BOOST_TEST(layout.page_bytes() ==
               2 * 3 * 2 * 10 * 32 * static_cast<std::int64_t>(io::dtype_bytes(dtype)));
    std::vector<std::byte> bytes(static_cast<std::size_t>(4 * layout.page_bytes()));
    const kv::KvStore store(layout, bytes.data());
    std::set<std::int64_t> starts;
    for (kv::PageId page = 0; page < 4; ++page)
      for (std::int32_t layer = 0; layer < 3; ++layer)
        for (std::int32_t head = 0; head < 2; ++head) {
          starts.insert(store.keys(page, layer, head) - bytes.data());
          starts.insert(store.values(page, layer, head) - bytes.data());
          BOOST_TEST((store.keys(page, layer, head) - bytes.data()) / layout.page_bytes() == page);
          BOOST_TEST((store.values(page, layer, head) - bytes.data()) / layout.page_bytes() ==
                     page);
        }
    std::int64_t expected = 0;
    for (const std::int64_t start : starts) {
      BOOST_TEST(start == expected);
      BOOST_TEST(start % 64 == 0);
      expected += layout.head_bytes();
    }
    BOOST_TEST(expected == 4 * layout.page_bytes());
  }
}

BOOST_AUTO_TEST_SUITE_END()

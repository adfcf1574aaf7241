#include <gpumodel.h>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstring>

extern "C" {
#include "libclient/structs.h"
}

namespace {

// A struct as version 1.0 had it, as a later release has it, and as a still later caller has it.
struct First {
  std::size_t struct_size;
  std::uint32_t old_field;
  std::uint32_t other;
};
struct Known {
  First first;
  std::int64_t newer;
};
struct Future {
  Known known;
  std::int64_t unknown;
};
const gmi_layout kLayout = {"gm_thing", sizeof(First), sizeof(Known)};

gm_error last() {
  gm_error error = GM_ERROR_INIT;
  gm_last_error(&error);
  return error;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(structs)

BOOST_AUTO_TEST_CASE(an_older_caller_gets_defaults) {
  First given{sizeof(First), 5, 6};
  Known out{{sizeof(Known), 1, 2}, -1};
  BOOST_TEST(gmi_struct_read(&kLayout, &given, &out) == GM_OK);
  BOOST_TEST(out.first.old_field == 5u);
  BOOST_TEST(out.newer == -1);
}

BOOST_AUTO_TEST_CASE(a_newer_caller_may_leave_its_fields_zero) {
  Future given{};
  given.known = {{sizeof(Future), 5, 6}, 7};
  Known out{};
  BOOST_TEST(gmi_struct_read(&kLayout, &given, &out) == GM_OK);
  BOOST_TEST(out.newer == 7);
  given.unknown = 1;
  BOOST_TEST(gmi_struct_read(&kLayout, &given, &out) == GM_E_UNSUPPORTED);
  BOOST_TEST(std::strstr(last().message, "gm_thing") != nullptr);
}

BOOST_AUTO_TEST_CASE(a_size_that_was_not_set_is_refused) {
  Known out{};
  for (std::size_t size : {std::size_t{0}, sizeof(First) - 1, std::size_t{1} << 40}) {
    First given{size, 5, 6};
    BOOST_TEST(gmi_struct_read(&kLayout, &given, &out) == GM_E_INVALID);
  }
}

BOOST_AUTO_TEST_CASE(writing_keeps_to_the_callers_size) {
  const Known filled{{sizeof(Known), 8, 9}, 10};
  Known older{};
  older.first.struct_size = sizeof(First);
  older.newer = 77;
  gmi_struct_write(&kLayout, &filled, &older);
  BOOST_TEST(older.first.struct_size == sizeof(First));
  BOOST_TEST(older.first.other == 9u);
  BOOST_TEST(older.newer == 77);
  Future newer{};
  newer.known.first.struct_size = sizeof(Future);
  newer.unknown = 77;
  gmi_struct_write(&kLayout, &filled, &newer);
  BOOST_TEST(newer.known.newer == 10);
  BOOST_TEST(newer.unknown == 0);
}

BOOST_AUTO_TEST_SUITE_END()

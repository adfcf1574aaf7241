#include "gpumodel-openai/bearer_key.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

using namespace gpumodel_openai;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "gpumodel-key-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(bearer_key, Folder)

BOOST_AUTO_TEST_CASE(a_fresh_key_is_private_and_stays) {
  const std::string key = load_or_make_key(path / "key");
  BOOST_TEST(key.size() == 67u);
  BOOST_TEST(load_or_make_key(path / "key") == key);
  BOOST_TEST(load_or_make_key(path / "other") != key);
  const auto mode = std::filesystem::status(path / "key").permissions();
  BOOST_TEST((mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)));
}

BOOST_AUTO_TEST_CASE(a_key_that_others_read_or_guess_is_refused) {
  std::ofstream(path / "open") << "a key that everybody reads\n";
  ::chmod((path / "open").c_str(), 0644);
  BOOST_CHECK_THROW(load_or_make_key(path / "open"), std::runtime_error);
  std::ofstream(path / "brief") << "secret\n";
  ::chmod((path / "brief").c_str(), 0600);
  BOOST_CHECK_THROW(load_or_make_key(path / "brief"), std::runtime_error);
  BOOST_CHECK_THROW(load_or_make_key(path / "open" / "file"), std::exception);
  BOOST_TEST(load_or_make_key(path / "no" / "folder").size() == 67u);
}

BOOST_AUTO_TEST_CASE(only_the_key_itself_is_right) {
  BOOST_TEST(is_authorized("Bearer 0123456789abcdef", "0123456789abcdef"));
  for (const char* wrong : {"", "Bearer ", "0123456789abcdef", "Bearer 0123456789abcde",
                            "Bearer 0123456789abcdef0", "bearer 0123456789abcdef"})
    BOOST_TEST(!is_authorized(wrong, "0123456789abcdef"), wrong);
}

BOOST_AUTO_TEST_SUITE_END()

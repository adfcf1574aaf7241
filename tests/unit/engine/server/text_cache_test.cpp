#include "engine/server/text_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "../text/tiny_tokenizer.hpp"
#include "engine/io/bad_model.hpp"
#include "support/model_folder.hpp"

namespace {

using gpumodel::engine::BadModel;
using gpumodel::engine::server::TextCache;
using gpumodel::test::TemporaryFolder;
using gpumodel::test::tiny_tokenizer;

struct TextFolder : TemporaryFolder {
  TextFolder() { write("tokenizer.json", tiny_tokenizer().dump()); }
};

std::uint64_t tokenizer_bytes() { return tiny_tokenizer().dump().size(); }

BOOST_AUTO_TEST_SUITE(text_cache)

BOOST_AUTO_TEST_CASE(keeps_what_it_has_read) {
  const TextFolder folder;
  TextCache cache(1u << 20);
  const auto model = cache.get(folder.path());
  BOOST_TEST(cache.get(folder.path()) == model);
  BOOST_TEST(model->tokenize("the", false).size() == 1u);
}

BOOST_AUTO_TEST_CASE(one_folder_under_two_names_is_one) {
  const TextFolder folder;
  const TemporaryFolder other;
  std::filesystem::create_directory_symlink(folder.path(), other.path("link"));
  TextCache cache(1u << 20);
  BOOST_TEST(cache.get(folder.path()) == cache.get(other.path("link")));
}

BOOST_AUTO_TEST_CASE(reads_again_what_was_changed_replaced_or_added) {
  const TextFolder folder;
  TextCache cache(1u << 20);
  auto last = cache.get(folder.path());
  const auto is_read_again = [&] {
    const auto now = cache.get(folder.path());
    return std::exchange(last, now) != now;
  };
  BOOST_TEST(!is_read_again());
  folder.write("tokenizer_config.json", R"({"eos_token": "a"})");
  BOOST_TEST(is_read_again());
  BOOST_TEST(last->eos_token().has_value());
  folder.write("chat_template.jinja", "hello");
  BOOST_TEST(is_read_again());
  const timespec times[2] = {{1, 0}, {1, 0}};
  BOOST_REQUIRE(::utimensat(AT_FDCWD, folder.path("tokenizer.json").c_str(), times, 0) == 0);
  BOOST_TEST(is_read_again());
  std::filesystem::remove(folder.path("chat_template.jinja"));
  BOOST_TEST(is_read_again());
  BOOST_TEST(!is_read_again());
}

BOOST_AUTO_TEST_CASE(lets_go_of_what_was_used_longest_ago) {
  const TextFolder first, second, third;
  TextCache cache(2 * tokenizer_bytes());
  const auto one = cache.get(first.path());
  const auto two = cache.get(second.path());
  cache.get(first.path());
  cache.get(third.path());
  BOOST_TEST(cache.get(first.path()) == one);
  BOOST_TEST(cache.get(second.path()) != two);
}

BOOST_AUTO_TEST_CASE(the_last_one_stays_whatever_its_size) {
  const TextFolder first, second;
  TextCache cache(1);
  const auto one = cache.get(first.path());
  BOOST_TEST(cache.get(first.path()) == one);
  cache.get(second.path());
  BOOST_TEST(cache.get(first.path()) != one);
}

BOOST_AUTO_TEST_CASE(a_bad_folder_is_an_error_each_time_and_nothing_stays) {
  const TemporaryFolder folder;
  TextCache cache(1u << 20);
  BOOST_CHECK_THROW(cache.get(folder.path("none")), BadModel);
  BOOST_CHECK_THROW(cache.get(folder.path()), BadModel);
  folder.write("tokenizer.json", "{");
  BOOST_CHECK_THROW(cache.get(folder.path()), BadModel);
  folder.write("tokenizer.json", tiny_tokenizer().dump());
  BOOST_TEST(cache.get(folder.path()) != nullptr);
}

BOOST_AUTO_TEST_CASE(many_threads_read_at_once) {
  const TextFolder first, second;
  TextCache cache(tokenizer_bytes());  // so that they push each other out
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        for (int k = 0; k < 20; ++k)
          if (cache.get((i + k) % 2 == 0 ? first.path() : second.path()) != nullptr) ++right;
      });
  }
  BOOST_TEST(right == 80);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

#include "engine/io/folder.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "support/model_folder.hpp"
#include "support/testdata.hpp"

namespace io = gpumodel::engine::io;
using gpumodel::engine::BadModel;
using gpumodel::test::contains;
using gpumodel::test::message_of;
using gpumodel::test::TemporaryFolder;

BOOST_AUTO_TEST_SUITE(folder)

BOOST_AUTO_TEST_CASE(reads_a_file_and_says_what_it_is) {
  const TemporaryFolder made;
  made.write("config.json", "{}\n");
  const io::Folder folder = io::Folder::open(made.path());
  BOOST_TEST(folder.real_path() == std::filesystem::canonical(made.path()).string());
  BOOST_TEST(folder.read_text("config.json", 3) == "{}\n");

  const io::OpenFile file = folder.open_file("config.json");
  struct stat status {};
  BOOST_REQUIRE(::stat(made.path("config.json").c_str(), &status) == 0);
  BOOST_TEST(file.bytes == 3u);
  BOOST_TEST(file.inode == status.st_ino);
  BOOST_TEST(file.mtime_ns == status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec);
  BOOST_TEST(file.real_path == folder.real_path() + "/config.json");
  BOOST_TEST((::fcntl(file.fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_nothing_or_an_error_as_asked) {
  const TemporaryFolder made;
  const io::Folder folder = io::Folder::open(made.path());
  BOOST_TEST(!folder.find_file("config.json").has_value());
  BOOST_TEST(!folder.find_text("config.json", 10).has_value());
  BOOST_TEST(message_of<BadModel>([&] { folder.open_file("config.json"); }) ==
             "config.json: is missing");
}

BOOST_AUTO_TEST_CASE(the_folder_itself_is_named_without_its_path) {
  const TemporaryFolder made;
  made.write("file", "");
  BOOST_TEST(message_of<BadModel>([&] { io::Folder::open(made.path("none")); }) ==
             "model folder: does not exist");
  BOOST_TEST(message_of<BadModel>([&] { io::Folder::open(made.path("file")); }) ==
             "model folder: is not a folder");
}

BOOST_AUTO_TEST_CASE(links_are_followed_as_in_the_hubs_cache) {
  const TemporaryFolder blobs;
  const TemporaryFolder snapshot;
  blobs.write("a1b2", "weights");
  std::filesystem::create_symlink(blobs.path("a1b2"), snapshot.path("model.safetensors"));
  const io::Folder folder = io::Folder::open(snapshot.path());
  BOOST_TEST(folder.read_text("model.safetensors", 100) == "weights");
  BOOST_TEST(contains(folder.open_file("model.safetensors").real_path, "a1b2"));
}

BOOST_AUTO_TEST_CASE(links_to_nothing_and_in_circles_are_errors) {
  const TemporaryFolder made;
  std::filesystem::create_symlink("gone", made.path("dangling"));
  std::filesystem::create_symlink("b", made.path("a"));
  std::filesystem::create_symlink("a", made.path("b"));
  const io::Folder folder = io::Folder::open(made.path());
  BOOST_TEST(message_of<BadModel>([&] { folder.find_file("dangling"); }) ==
             "dangling: is a symbolic link to nothing");
  BOOST_TEST(message_of<BadModel>([&] { folder.find_file("a"); }) ==
             "a: a symbolic link runs in a circle");
}

BOOST_AUTO_TEST_CASE(only_regular_files_are_opened) {
  const TemporaryFolder made;
  std::filesystem::create_directory(made.path("folder"));
  BOOST_REQUIRE(::mkfifo(made.path("fifo").c_str(), 0600) == 0);
  std::filesystem::create_symlink("/dev/zero", made.path("zero"));
  const io::Folder folder = io::Folder::open(made.path());
  for (const char* name : {"folder", "fifo", "zero"}) {
    BOOST_TEST(message_of<BadModel>([&] { folder.find_file(name); }) ==
               std::string(name) + ": is not a regular file");
  }
}

BOOST_AUTO_TEST_CASE(names_stay_inside_the_folder) {
  const TemporaryFolder made;
  const io::Folder folder = io::Folder::open(made.path());
  const std::string with_zero("a\0b", 3);
  for (const std::string& name :
       {std::string("../x"), std::string("/etc/passwd"), std::string(".."), std::string("."),
        std::string(""), std::string("a/b"), std::string("a\nb"), with_zero,
        std::string(256, 'a')}) {
    BOOST_CHECK_THROW(folder.find_file(name), BadModel);
  }
}

BOOST_AUTO_TEST_CASE(a_text_over_the_limit_is_not_read) {
  const TemporaryFolder made;
  made.write("tokenizer.json", "12345");
  const io::Folder folder = io::Folder::open(made.path());
  BOOST_TEST(folder.read_text("tokenizer.json", 5) == "12345");
  BOOST_TEST(contains(message_of<BadModel>([&] { folder.read_text("tokenizer.json", 4); }),
                      "has 5 bytes, more than the 4"));
}

BOOST_AUTO_TEST_CASE(a_file_that_became_shorter_is_an_error) {
  const TemporaryFolder made;
  made.write("model.safetensors", std::string(100, 'x'));
  const io::OpenFile file = io::Folder::open(made.path()).open_file("model.safetensors");
  std::filesystem::resize_file(made.path("model.safetensors"), 40);
  std::string into(100, '\0');
  BOOST_TEST(
      contains(message_of<BadModel>([&] { io::read_exactly(file, 0, into.data(), into.size()); }),
               "model.safetensors: ends at byte 40"));
  BOOST_TEST(into.substr(0, 40) == std::string(40, 'x'));
}

BOOST_AUTO_TEST_CASE(lists_what_is_there) {
  const TemporaryFolder made;
  made.write("a", "");
  made.write("b", "");
  std::vector<std::string> names = io::Folder::open(made.path()).list();
  std::sort(names.begin(), names.end());
  BOOST_TEST(names == (std::vector<std::string>{"a", "b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

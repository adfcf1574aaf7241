#include "engine/io/identity.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>

#include "engine/io/sha256.hpp"
#include "support/model_folder.hpp"

namespace io = gpumodel::engine::io;
using gpumodel::test::contains;
using gpumodel::test::TemporaryFolder;

namespace {

std::string sha256(const std::string& text) {
  io::Sha256 hash;
  hash.update(text);
  return hash.hex_digest();
}

std::string identity_of(const std::string& path, std::string_view types = "bf16") {
  const io::Folder folder = io::Folder::open(path);
  return io::weights_identity(folder.open_file("config.json"), io::open_tensors(folder), types);
}

void make_model(const TemporaryFolder& made) {
  made.write("config.json", "{}");
  made.write("model.safetensors", gpumodel::test::safetensors_file({{"a", "U8", {1}, "x"}}));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(identity)

// FIPS 180-4's examples, and lengths around the padding's edges (from sha256sum).
BOOST_AUTO_TEST_CASE(sha256_of_known_texts) {
  BOOST_TEST(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  BOOST_TEST(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_TEST(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  BOOST_TEST(sha256(std::string(55, 'a')) ==
             "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  BOOST_TEST(sha256(std::string(64, 'a')) ==
             "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

BOOST_AUTO_TEST_CASE(the_same_files_the_same_identity) {
  const TemporaryFolder made;
  make_model(made);
  const std::string first = identity_of(made.path());
  BOOST_TEST(first.size() == 64u);
  BOOST_TEST(identity_of(made.path()) == first);
  const TemporaryFolder other;
  std::filesystem::create_directory_symlink(made.path(), other.path("link"));
  BOOST_TEST(identity_of(other.path("link")) == first);
  BOOST_TEST(!contains(first, "/"));
}

BOOST_AUTO_TEST_CASE(any_change_changes_it) {
  const TemporaryFolder made;
  make_model(made);
  const std::string first = identity_of(made.path());
  BOOST_TEST(identity_of(made.path(), "int4") != first);

  const std::string file = made.path("model.safetensors");
  const auto written = std::filesystem::last_write_time(file);
  std::filesystem::last_write_time(file, written + std::chrono::seconds(1));
  BOOST_TEST(identity_of(made.path()) != first);
  std::filesystem::last_write_time(file, written);
  BOOST_TEST(identity_of(made.path()) == first);

  // The same bytes at the same time in another inode.
  std::filesystem::copy_file(file, made.path("copy"));
  std::filesystem::last_write_time(made.path("copy"), written);
  std::filesystem::rename(made.path("copy"), file);
  BOOST_TEST(identity_of(made.path()) != first);

  const TemporaryFolder other;
  make_model(other);
  BOOST_TEST(identity_of(other.path()) != first);
}

BOOST_AUTO_TEST_SUITE_END()

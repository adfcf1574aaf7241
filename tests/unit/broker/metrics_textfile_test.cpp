#include "broker/metrics_textfile.hpp"

#include <stdlib.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "loop_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::broker;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

struct TextfileFixture : test::LoopFixture {
  TextfileFixture() {
    std::string name = (fs::temp_directory_path() / "gpumodel-textfile-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~TextfileFixture() { fs::remove_all(folder); }
  std::string path(const std::string& name) const { return folder + "/" + name; }
  bool comes(const std::string& file, const std::string& expected) {
    return run_until([&] { return content(file) == expected; });
  }

  std::string folder;
  std::string text = "one\n";
  Log log{LogLevel::error};
  std::optional<MetricsTextfile> textfile{std::in_place, io, log, [this] { return text; }, 20ms};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(metrics_textfile_test, TextfileFixture)

BOOST_AUTO_TEST_CASE(it_is_written_again_and_again_readable_by_all) {
  const mode_t mask = ::umask(0077);
  textfile->write_to(path("m.prom"));
  BOOST_TEST(comes(path("m.prom"), "one\n"));
  text = "two\n";
  BOOST_TEST(comes(path("m.prom"), "two\n"));
  ::umask(mask);
  struct stat info {};
  BOOST_REQUIRE(::stat(path("m.prom").c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0644u);
  BOOST_TEST(!fs::exists(path("m.prom.new")));
}

// A reader that holds the old file open still has the whole of it.
BOOST_AUTO_TEST_CASE(it_is_replaced_not_overwritten) {
  textfile->write_to(path("m.prom"));
  BOOST_REQUIRE(comes(path("m.prom"), "one\n"));
  std::ifstream reader(path("m.prom"));
  text = "two\n";
  BOOST_REQUIRE(comes(path("m.prom"), "two\n"));
  std::ostringstream read;
  read << reader.rdbuf();
  BOOST_TEST(read.str() == "one\n");
}

BOOST_AUTO_TEST_CASE(it_moves_and_goes) {
  textfile->write_to(path("a.prom"));
  BOOST_REQUIRE(comes(path("a.prom"), "one\n"));
  textfile->write_to(path("b.prom"));
  BOOST_TEST(comes(path("b.prom"), "one\n"));
  BOOST_TEST(run_until([&] { return !fs::exists(path("a.prom")); }));
  textfile->write_to("");
  BOOST_TEST(run_until([&] { return fs::is_empty(folder); }));
  // Also where it is told while one is being written.
  textfile->write_to(path("c.prom"));
  textfile->write_to("");
  textfile->write_to(path("d.prom"));
  BOOST_TEST(comes(path("d.prom"), "one\n"));
  BOOST_TEST(run_until([&] { return !fs::exists(path("c.prom")); }));
  textfile.reset();
  BOOST_TEST(fs::is_empty(folder));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_is_tried_again) {
  textfile->write_to(path("missing/m.prom"));
  const auto until = std::chrono::steady_clock::now() + 100ms;
  run_until([&] { return std::chrono::steady_clock::now() > until; });
  fs::create_directory(path("missing"));
  BOOST_TEST(comes(path("missing/m.prom"), "one\n"));
}

BOOST_AUTO_TEST_SUITE_END()

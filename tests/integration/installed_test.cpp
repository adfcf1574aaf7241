// A program compiled against the installed library, in the two ways that build systems find it.
#include <filesystem>

#include "installed_tree.hpp"
#include "support/fake_daemon.hpp"

using namespace gpumodel::test;

namespace {

const char* const kProgram = R"(#include <gpumodel.hpp>
#include <cstdio>
int main() {
  gpumodel::Client client = gpumodel::Client::open();
  gpumodel::Lease lease = client.acquire("concept");
  std::printf("%s %u\n", lease.info().model.c_str(), gm_version());
})";
const char* const kProject = R"(cmake_minimum_required(VERSION 3.13)
project(outside CXX)
find_package(gpumodel 1.0 REQUIRED)
add_executable(outside outside.cpp)
target_compile_features(outside PRIVATE cxx_std_17)
target_link_libraries(outside PRIVATE gpumodel::gpumodel)
)";

void runs(const InstalledTree& tree, const std::string& program) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    c.closes();
  });
  Environment environment = tree.environment();
  environment.emplace_back("GPUMODEL_SOCKET", daemon.path());
  const Finished done = run({program}, "", environment);
  BOOST_TEST(done.exit_code == 0, done.err);
  BOOST_TEST(done.out == "concept 65536\n");
  daemon.join();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(installed)

BOOST_AUTO_TEST_CASE(pkg_config_finds_it) {
  const InstalledTree tree;
  BOOST_TEST(tree.pkg_config({"--modversion"}).at(0) == "1.0.0");
  write_file(tree.work("outside.cpp"), kProgram);
  const Finished compiled = tree.compile(tree.work("outside.cpp"), tree.work("outside"));
  BOOST_REQUIRE_MESSAGE(compiled.exit_code == 0, compiled.err);
  runs(tree, tree.work("outside"));
}

BOOST_AUTO_TEST_CASE(cmake_finds_it) {
  const InstalledTree tree;
  std::filesystem::create_directory(tree.work("outside"));
  write_file(tree.work("outside/outside.cpp"), kProgram);
  write_file(tree.work("outside/CMakeLists.txt"), kProject);
  const Finished built = tree.build_project(tree.work("outside"), tree.work("build"));
  BOOST_REQUIRE_MESSAGE(built.exit_code == 0, built.out << built.err);
  runs(tree, tree.work("build/outside"));
}

BOOST_AUTO_TEST_CASE(every_header_is_there) {
  const InstalledTree tree;
  for (const char* name : {"gpumodel.h", "gpumodel.hpp", "gpumodel/client.hpp"})
    BOOST_TEST(std::filesystem::exists(tree.prefix() + "/include/" + name), name);
}

BOOST_AUTO_TEST_SUITE_END()

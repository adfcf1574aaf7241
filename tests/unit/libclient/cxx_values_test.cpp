// gpumodel.hpp in a program that is compiled without exceptions.
#include <cstdlib>

#include "handles.hpp"
#include "support/process.hpp"

using namespace gpumodel::test;

namespace {

Finished run_values(const FakeDaemon& daemon) {
  const char* folder = std::getenv("GPUMODEL_TEST_BIN_DIR");
  BOOST_REQUIRE(folder != nullptr);
  return run({std::string(folder) + "/cxx_values", "concept"}, "",
             {{"GPUMODEL_SOCKET", daemon.path()}});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cxx_values)

BOOST_AUTO_TEST_CASE(the_value_forms_do_everything) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    c.notify("draining", json::object());
    const Incoming request = c.expect("generate");
    c.chunk(request, 0, "one");
    c.chunk(request, 1, "two");
    c.respond(request, finished());
    c.release(c.expect("lease.release"));
    c.closes();
  });
  const Finished done = run_values(daemon);
  BOOST_TEST(done.exit_code == 0, done.err);
  BOOST_TEST(done.out == "draining\none\ntwo\nreleased\n");
}

BOOST_AUTO_TEST_CASE(an_error_is_a_value) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    c.chunk(request, 0, "one");
    c.fail(request, -64, "engine_lost");
    c.closes();
  });
  const Finished done = run_values(daemon);
  BOOST_TEST(done.exit_code == 1);
  BOOST_TEST(done.out == "one\nchunk: GM_E_ENGINE_LOST: fake: engine_lost\n");
}

BOOST_AUTO_TEST_SUITE_END()

// gpumodelctl metrics as a program: what it asks for, and what it prints.
#include "ctl_daemon.hpp"

using namespace gpumodel::test;

BOOST_AUTO_TEST_SUITE(gpumodelctl_metrics)

BOOST_AUTO_TEST_CASE(the_text_goes_out_as_it_came) {
  const std::string text = "# HELP a_total A.\n# TYPE a_total counter\na_total{m=\"{}%\"} 1\n";
  CtlDaemon daemon({{"metrics", [&](const json& params) {
                       BOOST_TEST(params == (json{{"format", "text"}}));
                       return json{{"text", text}, {"families", nullptr}};
                     }}});
  const Finished done = daemon.run_tool({"metrics"});
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(done.out == text);
}

BOOST_AUTO_TEST_CASE(programs_get_the_families) {
  const json families = {{{"name", "a_total"}, {"type", "counter"}, {"samples", json::array()}}};
  CtlDaemon daemon({{"metrics", [&](const json& params) {
                       BOOST_TEST(params == (json{{"format", "families"}}));
                       return json{{"text", nullptr}, {"families", families}};
                     }}});
  const Finished done = daemon.run_tool({"metrics", "--json"});
  BOOST_TEST(done.exit_code == 0);
  BOOST_TEST(json::parse(done.out) == (json{{"families", families}}));
}

BOOST_AUTO_TEST_CASE(an_older_daemon_says_that_it_has_none) {
  CtlDaemon daemon({{"metrics", refuses(-27, "unsupported")}});
  BOOST_TEST(daemon.run_tool({"metrics"}).exit_code == 1);
}

BOOST_AUTO_TEST_SUITE_END()

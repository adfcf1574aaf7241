#include "broker/exposition.hpp"

#include "support/promtool.hpp"

using namespace gpumodel;
using namespace gpumodel::broker;
using namespace std::chrono_literals;

namespace {

constexpr Histogram::Duration kBounds[] = {2500us, 1s};

std::vector<wire::MetricFamily> some_families() {
  Families out;
  out.gauge("g_bytes", "A gauge.");
  out.row(42u);
  out.counter("empty_total", "Nothing yet.");
  out.counter("c_total", "Back\\slash and\nline.");
  out.row(1.5, {{"model", "a\"b\\c\nd"}, {"device", "cpu"}});
  out.row(0u, {{"model", "é"}});
  out.histogram("h_seconds", "A histogram.");
  Histogram histogram{kBounds};
  for (const auto value : {1000us, 2500us, 3s + 0us}) histogram.observe(value);
  out.row(histogram, {{"model", "m"}});
  out.row(Histogram{kBounds});
  return out.take();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(exposition_test)

BOOST_AUTO_TEST_CASE(the_text_is_exactly_this) {
  BOOST_TEST(exposition(some_families()) ==
             "# HELP g_bytes A gauge.\n"
             "# TYPE g_bytes gauge\n"
             "g_bytes 42\n"
             "# HELP c_total Back\\\\slash and\\nline.\n"
             "# TYPE c_total counter\n"
             "c_total{device=\"cpu\",model=\"a\\\"b\\\\c\\nd\"} 1.5\n"
             "c_total{model=\"é\"} 0\n"
             "# HELP h_seconds A histogram.\n"
             "# TYPE h_seconds histogram\n"
             "h_seconds_bucket{model=\"m\",le=\"0.0025\"} 2\n"
             "h_seconds_bucket{model=\"m\",le=\"1\"} 2\n"
             "h_seconds_bucket{model=\"m\",le=\"+Inf\"} 3\n"
             "h_seconds_sum{model=\"m\"} 3.0035\n"
             "h_seconds_count{model=\"m\"} 3\n"
             "h_seconds_bucket{le=\"0.0025\"} 0\n"
             "h_seconds_bucket{le=\"1\"} 0\n"
             "h_seconds_bucket{le=\"+Inf\"} 0\n"
             "h_seconds_sum 0\n"
             "h_seconds_count 0\n");
}

BOOST_AUTO_TEST_CASE(numbers_lose_nothing) {
  Families out;
  out.gauge("g", "G.");
  for (const double value : {9007199254740992.0, 1e300, 0.1, 1764200000.123, -1.0}) out.row(value);
  BOOST_TEST(exposition(out.take()) ==
             "# HELP g G.\n# TYPE g gauge\ng 9007199254740992\ng 1e+300\ng 0.1\n"
             "g 1764200000.123\ng -1\n");
}

BOOST_AUTO_TEST_CASE(prometheus_reads_it, *boost::unit_test::precondition(test::with_promtool)) {
  BOOST_TEST(test::complaints_of_promtool(exposition(some_families())) == "");
  BOOST_TEST(test::complaints_of_promtool("# TYPE x counter\nx 1\n") != "");
}

BOOST_AUTO_TEST_SUITE_END()

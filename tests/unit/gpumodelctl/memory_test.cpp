#include "gpumodelctl/memory.hpp"

#include <sstream>

#include "support/testdata.hpp"

using namespace gpumodelctl;
using nlohmann::ordered_json;

namespace {

// 1000 bytes: 300 of weights, 100 KV, 50 else, 200 foreign, 150 kept free, 200 free.
ordered_json sample() {
  return ordered_json::parse(R"({
    "devices": [{"name": "cpu", "capacity_bytes": 1000, "used_bytes": 450, "free_bytes": 200,
                 "foreign_bytes": 200, "reserve_bytes": 0, "yielded_bytes": 150}],
    "weights": [
      {"id": 1, "device": "cpu", "residency": "device", "tensor_bytes": 300, "kv_bytes": 100, "workspace_bytes": 50},
      {"id": 2, "device": "cpu", "residency": "host", "tensor_bytes": 999, "kv_bytes": 99},
      {"id": 3, "device": null, "residency": "disk", "tensor_bytes": 999, "kv_bytes": 99}],
    "host_cache": {"capacity_bytes": 2000, "used_bytes": 500}})");
}

std::vector<std::uint64_t> amounts(const std::vector<Share>& shares) {
  std::vector<std::uint64_t> out;
  for (const Share& share : shares) out.push_back(share.amount);
  return out;
}

using Amounts = std::vector<std::uint64_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(memory_test)

BOOST_AUTO_TEST_CASE(the_owners_add_up_to_the_capacity) {
  const auto status = sample();
  BOOST_TEST((amounts(device_shares(status, status["devices"][0])) ==
              Amounts{300, 100, 50, 200, 150, 200}));
}

BOOST_AUTO_TEST_CASE(figures_that_contradict_each_other_never_overflow) {
  auto status = sample();
  auto& device = status["devices"][0];
  device["used_bytes"] = 350;  // less than its weights have by themselves
  BOOST_TEST((amounts(device_shares(status, device)) == Amounts{300, 50, 0, 200, 250, 200}));
  device["used_bytes"] = 5000;  // more than there is
  BOOST_TEST((amounts(device_shares(status, device)) == Amounts{300, 100, 4600, 0, 0, 0}));
  device = {{"name", "cpu"}};
  BOOST_TEST((amounts(device_shares(status, device)) == Amounts{0, 0, 0, 0, 0, 0}));
}

BOOST_AUTO_TEST_CASE(bars_of_devices_and_cache_are_as_wide) {
  std::istringstream lines(memory_text(sample(), View{false, 80, false}));
  std::string device, legend_line, rest;
  std::getline(lines, device);
  std::getline(lines, legend_line);
  BOOST_TEST(device.size() <= 80u);
  BOOST_TEST(legend_line.size() <= 80u);
  for (const char* part :
       {"############", "====", "%%%%%%%%", "cpu         [", "] 450 B of 1000 B used"})
    BOOST_TEST(device.find(part) != std::string::npos, part << " is missing in " << device);
  std::string all = legend_line;
  while (std::getline(lines, rest)) all += rest;
  for (const char* part : {"# weights 300 B", "= KV 100 B", "+ other 50 B", "% foreign 200 B",
                           "- kept free 150 B", ". free 200 B", "host cache  ["})
    BOOST_TEST(all.find(part) != std::string::npos, part << " is missing in " << all);
}

BOOST_AUTO_TEST_CASE(no_line_is_wider_than_the_view) {
  for (std::size_t columns = 50; columns < 200; columns += 7) {
    std::istringstream lines(memory_text(sample(), View{true, columns, true}));
    for (std::string line; std::getline(lines, line);)
      BOOST_TEST(shown_width(line) <= columns, columns << ": " << line);
  }
}

BOOST_AUTO_TEST_CASE(without_devices_and_cache_there_is_nothing_to_show) {
  BOOST_TEST(memory_text(ordered_json::object(), View{}) == "");
}

BOOST_AUTO_TEST_SUITE_END()

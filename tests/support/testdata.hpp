// Where tests find data that this project did not write, and how they skip by name without it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>

namespace gpumodel::test {

// $GPUMODEL_TESTDATA, or ../shared/testdata beside the source tree; joined with `relative`.
std::string testdata(const std::string& relative);

// The root of the source tree joined with `relative`.
std::string source_path(const std::string& relative);

// The whole file; throws std::runtime_error that names the path.
std::string read_file(const std::string& path);

// $GPUMODEL_PYTHON, the interpreter with the oracles; empty where there is none.
std::string oracle_python();

// $GPUMODEL_DEMO_MODEL, the folder of SmolLM2-135M-Instruct; empty where there is none.
std::string demo_model();

// A precondition for a test case: `* boost::unit_test::precondition(has_testdata("msgpack"))`.
// Boost.Test reports the case as skipped, by name and with this reason, where the path is missing.
struct has_testdata {
  explicit has_testdata(std::string relative) : relative_(std::move(relative)) {}
  boost::test_tools::assertion_result operator()(boost::unit_test::test_unit_id) const;

 private:
  std::string relative_;
};

// The same for tests that ask the Python oracles.
struct has_oracle_python {
  boost::test_tools::assertion_result operator()(boost::unit_test::test_unit_id) const;
};

// The same for tests that run the demo model.
boost::test_tools::assertion_result has_demo_model(boost::unit_test::test_unit_id);

}  // namespace gpumodel::test

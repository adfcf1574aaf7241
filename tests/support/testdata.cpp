#include "support/testdata.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

namespace gpumodel::test {

std::string testdata(const std::string& relative) {
  const char* root = std::getenv("GPUMODEL_TESTDATA");
  return std::string(root != nullptr ? root : GPUMODEL_TESTDATA_DEFAULT) + "/" + relative;
}

std::string source_path(const std::string& relative) {
  return std::string(GPUMODEL_SOURCE_DIR) + "/" + relative;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

std::string oracle_python() {
  const char* python = std::getenv("GPUMODEL_PYTHON");
  return python != nullptr && access(python, X_OK) == 0 ? python : "";
}

std::string demo_model() {
  const char* folder = std::getenv("GPUMODEL_DEMO_MODEL");
  return folder != nullptr && access((std::string(folder) + "/config.json").c_str(), R_OK) == 0
             ? folder
             : "";
}

boost::test_tools::assertion_result has_testdata::operator()(boost::unit_test::test_unit_id) const {
  boost::test_tools::assertion_result found(access(testdata(relative_).c_str(), R_OK) == 0);
  if (!found) found.message() << "no test data at " << testdata(relative_);
  return found;
}

boost::test_tools::assertion_result has_oracle_python::operator()(
    boost::unit_test::test_unit_id) const {
  boost::test_tools::assertion_result found(!oracle_python().empty());
  if (!found) found.message() << "no Python with the oracles; run tools/setup";
  return found;
}

boost::test_tools::assertion_result has_demo_model(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result found(!demo_model().empty());
  if (!found) found.message() << "no demo model; run tools/setup";
  return found;
}

}  // namespace gpumodel::test

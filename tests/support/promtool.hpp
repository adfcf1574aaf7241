// Prometheus' own opinion of a text, where its promtool is there.
#pragma once

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <string>

#include "support/process.hpp"

namespace gpumodel::test {

inline std::string promtool() {
  const char* path = std::getenv("GPUMODEL_PROMTOOL");
  return path != nullptr && ::access(path, X_OK) == 0 ? path : "";
}

// A precondition: such a test is skipped by name on a machine without it.
inline boost::test_tools::assertion_result with_promtool(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result result(!promtool().empty());
  result.message() << "there is no promtool; tools/setup fetches it";
  return result;
}

// What `promtool check metrics` has to say; empty: nothing against it.
inline std::string complaints_of_promtool(const std::string& text) {
  const Finished done = run({promtool(), "check", "metrics"}, text);
  return done.exit_code == 0 ? done.out + done.err
                             : "exit status " + std::to_string(done.exit_code) + ": " + done.err;
}

}  // namespace gpumodel::test

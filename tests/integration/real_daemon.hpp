// gpumodeld with the real engine and a real model, as gpumodelctl sees it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/testdata.hpp"

namespace gpumodel::test {

// The demo model as concept, relationship and attribute, in a folder each, on a CPU device of this
// much memory.
class RealDaemon {
 public:
  explicit RealDaemon(const std::string& memory);
  ~RealDaemon();

  std::string socket() const { return folder_ + "/api.sock"; }
  Environment environment() const { return {{"GPUMODEL_SOCKET", socket()}}; }

  // gpumodelctl with these arguments.
  std::vector<std::string> words(std::vector<std::string> arguments) const;
  Finished ctl(const std::vector<std::string>& arguments, const std::string& input = "") const;
  // With --json, expecting success.
  nlohmann::json ask(std::vector<std::string> arguments, const std::string& input = "") const;
  // With --json, expecting this exit code; the error map.
  nlohmann::json refused(std::vector<std::string> arguments, int exit_code,
                         const std::string& input = "") const;
  // The model's row of `status`.
  nlohmann::json model(const std::string& name) const;

 private:
  std::string folder_;
  std::unique_ptr<Process> process_;
};

// One of 512 MiB, room for one of the three, for all tests of a program, since each leaves it as it
// found it: nothing leased, nothing loaded.
RealDaemon& daemon();

}  // namespace gpumodel::test

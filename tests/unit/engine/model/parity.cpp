#include "unit/engine/model/parity.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "support/process.hpp"
#include "support/testdata.hpp"

namespace gpumodel::test {

Tolerance tolerance(io::DType dtype) {
  return dtype == io::DType::f32 ? Tolerance{1e-3f, 0.02f} : Tolerance{0.1f, 0.25f};
}

std::string scratch(const std::string& name) {
  const char* folder = std::getenv("GPUMODEL_TEST_BIN_DIR");
  return (folder ? std::string(folder) : std::filesystem::temp_directory_path().string()) + "/" +
         name;
}

void run_oracle(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {oracle_python(), "-B"});
  const Finished finished = Process(arguments).finish(std::chrono::seconds(400));
  BOOST_REQUIRE_MESSAGE(finished.exit_code == 0, finished.err);
}

const std::string& random_models() {
  static const std::string made = [] {
    const std::string folder = scratch("models");
    run_oracle({source_path("tests/support/make_models.py"), folder});
    return folder;
  }();
  return made;
}

std::vector<std::string> folders_in(const std::string& parent) {
  std::vector<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(parent))
    if (entry.is_directory() && entry.path().filename().string()[0] != '.')
      folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  BOOST_REQUIRE(!folders.empty());
  return folders;
}

void check_rows(const std::string& what, const Rows& got, const Rows& expected, float limit) {
  const float difference = largest_difference(got, expected);
  BOOST_TEST_MESSAGE(what << ": off by at most " << difference);
  BOOST_TEST(difference <= limit, what << ": off by " << difference << ", allowed " << limit);
}

std::pair<Rows, Rows> follow(RunningModel& running, const Reference::Prompt& prompt,
                             const model::AdapterWeights* adapter) {
  Sequence sequence = running.start(adapter);
  Rows prefill = running.run(sequence, prompt.tokens);
  Rows steps{prefill.back()};
  for (std::size_t i = 0; i + 1 < prompt.continuation.size(); ++i)
    steps.push_back(running.run(sequence, {{prompt.continuation[i]}}).front());
  return {std::move(prefill), std::move(steps)};
}

void check_choices(const Rows& steps, const Reference::Prompt& prompt, float margin,
                   const std::string& what) {
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (prompt.margins[i] > margin)
      BOOST_TEST(best_token(steps[i]) == prompt.continuation[i], what << ", token " << i);
}

void check_parity(RunningModel& running, const Reference& reference, const Tolerance& allowed,
                  const std::string& what, const model::AdapterWeights* adapter) {
  for (const Reference::Prompt& prompt : reference.prompts) {
    const std::string name = what + ", prompt of " + std::to_string(prompt.tokens.size());
    const auto [prefill, steps] = follow(running, prompt, adapter);
    check_rows(name + ", prefill", prefill, prompt.prefill, allowed.log_probability);
    check_rows(name + ", decode", steps, prompt.steps, allowed.log_probability);
    check_choices(steps, prompt, allowed.margin, name);
  }
}

std::vector<Reference> float_references(const std::vector<std::string>& folders,
                                        const std::string& prompt) {
  const std::string output = scratch("float-references");
  std::vector<std::string> arguments{source_path("tests/support/model_reference.py"), output};
  if (!prompt.empty()) arguments.insert(arguments.end(), {"--prompt", prompt});
  arguments.insert(arguments.end(), folders.begin(), folders.end());
  run_oracle(arguments);
  std::vector<Reference> references;
  for (const std::string& folder : folders)
    references.emplace_back(output + "/" + std::filesystem::path(folder).filename().string());
  return references;
}

}  // namespace gpumodel::test

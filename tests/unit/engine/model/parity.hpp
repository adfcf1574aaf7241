// Comparisons with what transformers computed: which folders, how close, along which tokens.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "unit/engine/model/running_model.hpp"

namespace gpumodel::test {

struct Tolerance {
  float log_probability;
  float margin;  // of the two best tokens, above which the better one must be chosen
};

// Against exact arithmetic on the same weights. The 16-bit ones allow for keys and values that are
// stored rounded; everything else is float.
Tolerance tolerance(io::DType dtype);

// A name among the test programs, for what they make.
std::string scratch(const std::string& name);

// Runs a Python script with these arguments; requires that it succeeds.
void run_oracle(std::vector<std::string> arguments);

// The random models of make_models.py, made where they are not there yet: the folder of all.
const std::string& random_models();
std::vector<std::string> folders_in(const std::string& parent);

// What transformers computes in float with the weights of each folder.
std::vector<Reference> float_references(const std::vector<std::string>& folders,
                                        const std::string& prompt = "");

void check_rows(const std::string& what, const Rows& got, const Rows& expected, float limit);

// Rows of a prompt, and then those along transformers' own continuation, so that one different
// choice does not hide what comes after it.
std::pair<Rows, Rows> follow(RunningModel& running, const Reference::Prompt& prompt,
                             const model::AdapterWeights* adapter = nullptr);

void check_choices(const Rows& steps, const Reference::Prompt& prompt, float margin,
                   const std::string& what);
void check_parity(RunningModel& running, const Reference& reference, const Tolerance& allowed,
                  const std::string& what, const model::AdapterWeights* adapter = nullptr);

}  // namespace gpumodel::test

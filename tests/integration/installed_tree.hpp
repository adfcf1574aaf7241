// The library as programs outside of this tree find it: installed under a prefix of its own.
#pragma once

#include <string>
#include <vector>

#include "support/process.hpp"

namespace gpumodel::test {

class InstalledTree {
 public:
  InstalledTree();  // throws std::runtime_error with the installer's words
  ~InstalledTree();
  InstalledTree(const InstalledTree&) = delete;
  InstalledTree& operator=(const InstalledTree&) = delete;

  const std::string& prefix() const { return prefix_; }
  // A folder for what a test makes.
  std::string work(const std::string& name) const { return work_ + "/" + name; }

  // What `pkg-config ARGUMENTS gpumodel` says.
  std::vector<std::string> pkg_config(const std::vector<std::string>& arguments) const;
  // Compiles (and links, where `program` is not empty) C, or C++17 where the file ends in .cpp.
  Finished compile(const std::string& source, const std::string& program,
                   const std::vector<std::string>& more = {}) const;
  // Configures and builds a CMake project that may say find_package(gpumodel).
  Finished build_project(const std::string& source, const std::string& build) const;
  // For a program that was linked against it.
  Environment environment() const;

 private:
  std::string folder_, prefix_, work_, library_folder_;
};

void write_file(const std::string& path, const std::string& text);

}  // namespace gpumodel::test

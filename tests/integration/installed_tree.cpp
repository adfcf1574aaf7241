#include "installed_tree.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace gpumodel::test {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

InstalledTree::InstalledTree() {
  char pattern[] = "/tmp/gpumodel-installed.XXXXXX";
  if (::mkdtemp(pattern) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = pattern;
  prefix_ = folder_ + "/prefix";
  work_ = folder_ + "/work";
  library_folder_ = prefix_ + "/" GPUMODEL_LIBDIR;
  std::filesystem::create_directory(work_);
  for (const char* component : {"libgpumodel1", "libgpumodel-dev"}) {
    const Finished done = run({GPUMODEL_CMAKE, "--install", GPUMODEL_BUILD_DIR, "--prefix", prefix_,
                               "--component", component});
    if (done.exit_code != 0) throw std::runtime_error(done.out + done.err);
  }
}

InstalledTree::~InstalledTree() { std::filesystem::remove_all(folder_); }

std::vector<std::string> InstalledTree::pkg_config(
    const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {"pkg-config"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  command.push_back("gpumodel");
  const Finished done = run(command, "", {{"PKG_CONFIG_LIBDIR", library_folder_ + "/pkgconfig"}});
  if (done.exit_code != 0) throw std::runtime_error("pkg-config: " + done.err);
  std::istringstream words(done.out);
  std::vector<std::string> found;
  for (std::string word; words >> word;) found.push_back(word);
  return found;
}

Finished InstalledTree::compile(const std::string& source, const std::string& program,
                                const std::vector<std::string>& more) const {
  const bool cxx = source.size() > 4 && source.substr(source.size() - 4) == ".cpp";
  std::vector<std::string> command = {cxx ? GPUMODEL_CXX : GPUMODEL_CC,
                                      cxx ? "-std=c++17" : "-std=c11", "-Wall", "-Wextra",
                                      "-Werror"};
  const auto append = [&](const std::vector<std::string>& words) {
    command.insert(command.end(), words.begin(), words.end());
  };
  append(more);
  if (program.empty()) {
    append({"-fsyntax-only", source});
    append(pkg_config({"--cflags"}));
  } else {
    append({"-pthread", "-o", program, source});
    append(pkg_config({"--cflags", "--libs"}));
  }
  return run(command);
}

Finished InstalledTree::build_project(const std::string& source, const std::string& build) const {
  const Finished configured =
      run({GPUMODEL_CMAKE, "-S", source, "-B", build, "-DCMAKE_PREFIX_PATH=" + prefix_,
           "-DCMAKE_C_COMPILER=" GPUMODEL_CC, "-DCMAKE_CXX_COMPILER=" GPUMODEL_CXX});
  if (configured.exit_code != 0) return configured;
  return run({GPUMODEL_CMAKE, "--build", build});
}

Environment InstalledTree::environment() const { return {{"LD_LIBRARY_PATH", library_folder_}}; }

}  // namespace gpumodel::test

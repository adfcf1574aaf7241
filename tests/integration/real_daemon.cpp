#include "real_daemon.hpp"

#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace gpumodel::test {

using nlohmann::json;

RealDaemon::RealDaemon(const std::string& memory) {
  char pattern[] = "/tmp/gpumodel-real.XXXXXX";
  if (::mkdtemp(pattern) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = pattern;
  std::ofstream config(folder_ + "/gpumodeld.toml");
  config << "[devices.cpu]\nmemory = \"" << memory << "\"\n";
  for (const char* name : {"concept", "relationship", "attribute"}) {
    const auto target = std::filesystem::path(folder_) / name;
    std::filesystem::create_directory(target);
    for (const auto& file : std::filesystem::directory_iterator(demo_model()))
      std::filesystem::copy(file.path(), target / file.path().filename());
    config << "[models." << name << "]\npath = \"" << name << "\"\ncontext_tokens = 2048\n";
  }
  config.close();
  process_ = std::make_unique<Process>(std::vector<std::string>{
      program("gpumodeld"), "--config", folder_ + "/gpumodeld.toml", "--socket", socket()});
  for (int attempt = 0; attempt < 600 && ctl({"models"}).exit_code != 0; ++attempt)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

RealDaemon::~RealDaemon() {
  process_.reset();
  std::filesystem::remove_all(folder_);
}

std::vector<std::string> RealDaemon::words(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("gpumodelctl"));
  return arguments;
}

Finished RealDaemon::ctl(const std::vector<std::string>& arguments,
                         const std::string& input) const {
  return run(words(arguments), input, environment());
}

json RealDaemon::ask(std::vector<std::string> arguments, const std::string& input) const {
  arguments.push_back("--json");
  const Finished done = ctl(arguments, input);
  BOOST_REQUIRE_MESSAGE(done.exit_code == 0, arguments[0] << " gave " << done.out << done.err);
  return json::parse(done.out);
}

json RealDaemon::refused(std::vector<std::string> arguments, int exit_code,
                         const std::string& input) const {
  arguments.push_back("--json");
  const Finished done = ctl(arguments, input);
  BOOST_REQUIRE_MESSAGE(done.exit_code == exit_code, arguments[0] << " exited with "
                                                                  << done.exit_code << ": "
                                                                  << done.out << done.err);
  return json::parse(done.out).at("error");
}

json RealDaemon::model(const std::string& name) const {
  const json status = ask({"status"});
  for (const json& row : status.at("models"))
    if (row.at("name") == name) return row;
  throw std::runtime_error("no row for " + name);
}

RealDaemon& daemon() {
  static RealDaemon instance("512 MiB");
  return instance;
}

}  // namespace gpumodel::test

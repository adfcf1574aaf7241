#include "support/fake/fake_model.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "wire/error.hpp"

namespace gpumodel::test {
namespace {

[[noreturn]] void throw_bad(const std::string& reason) {
  throw wire::Error(wire::Code::model_bad, "fake.json: " + reason);
}

std::string identity_of(const std::string& folder, const std::string& file) {
  struct stat facts {};
  char resolved[PATH_MAX];
  if (::stat(file.c_str(), &facts) != 0 || ::realpath(folder.c_str(), resolved) == nullptr)
    throw_bad("cannot be read");
  return std::string(resolved) + ":" + std::to_string(facts.st_ino) + ":" +
         std::to_string(facts.st_size) + ":" + std::to_string(facts.st_mtim.tv_sec) + "." +
         std::to_string(facts.st_mtim.tv_nsec);
}

void read(const nlohmann::json& json, const char* key, std::chrono::milliseconds& out) {
  if (json.contains(key)) out = std::chrono::milliseconds(json.at(key).get<std::int64_t>());
}

template <class T>
void read(const nlohmann::json& json, const char* key, T& out) {
  if (json.contains(key)) out = json.at(key).get<T>();
}

}  // namespace

FakeModel read_fake_model(const std::string& folder) {
  const std::string file = folder + "/fake.json";
  FakeModel model;
  model.identity = identity_of(folder, file);
  std::ifstream in(file);
  try {
    const nlohmann::json json = nlohmann::json::parse(in);
    read(json, "tensor_bytes", model.tensor_bytes);
    read(json, "kv_bytes_per_token", model.kv_bytes_per_token);
    read(json, "workspace_bytes", model.workspace_bytes);
    read(json, "context_tokens", model.context_tokens);
    read(json, "vocab_size", model.vocab_size);
    read(json, "parameters", model.parameters);
    read(json, "architecture", model.architecture);
    read(json, "dtype", model.dtype);
    read(json, "load_ms", model.load_ms);
    read(json, "use_ms", model.use_ms);
    read(json, "unload_ms", model.unload_ms);
    read(json, "token_ms", model.token_ms);
    read(json, "inspect_ms", model.inspect_ms);
    read(json, "residual_bytes", model.residual_bytes);
    read(json, "eos_after", model.eos_after);
    read(json, "fail", model.fail);
  } catch (const nlohmann::json::exception& error) {
    throw_bad(error.what());
  }
  model.folder = folder;
  if (std::ifstream instead(folder + "/fail"); instead) instead >> model.fail;
  return model;
}

std::uint64_t FakeModel::image_bytes() const {
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
  return (tensor_bytes + page_bytes - 1) / page_bytes * page_bytes;
}

std::string FakeModel::voice() const {
  return std::filesystem::path(folder).filename().string() + ":";
}

bool FakeModel::is_wrong() const { return ::access((folder + "/wrong").c_str(), F_OK) == 0; }

void crash() {
  ::raise(SIGKILL);
  ::_exit(1);
}

}  // namespace gpumodel::test

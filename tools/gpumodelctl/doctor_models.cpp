#define TOML_HEADER_ONLY 1
#include <fmt/core.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "gpumodelctl/captured.hpp"
#include "gpumodelctl/doctor.hpp"
#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::chrono::seconds kDaemonWithin{10};
constexpr std::chrono::seconds kFolderWithin{120};

struct Model {
  std::string name, path, adapter, dtype;
};

// Of a configuration that the daemon has found good.
std::vector<Model> models_of(const std::string& config) {
  std::vector<Model> models;
  const toml::table root = toml::parse_file(config);
  const fs::path folder = fs::absolute(config).parent_path();
  const toml::table* tables = root["models"].as_table();
  if (tables == nullptr) return models;
  for (const auto& [key, node] : *tables) {
    const toml::node_view model(node);
    const std::string adapter = model["adapter"].value_or("");
    models.push_back({std::string(key.str()),
                      (folder / model["path"].value_or("")).lexically_normal(),
                      adapter.empty() ? "" : (folder / adapter).lexically_normal().string(),
                      model["dtype"].value_or("auto")});
  }
  return models;
}

// The unit that packages install hides these folders from the daemon.
bool is_hidden_from_unit(const std::string& path) {
  for (const char* folder : {"/home/", "/root/", "/run/user/"})
    if (path.rfind(folder, 0) == 0) return true;
  return false;
}

bool unit_hides_homes() {
  std::error_code error;
  if (!fs::exists("/run/systemd/system", error)) return false;
  const Captured shown =
      capture({"systemctl", "show", "--property=ProtectHome", "--value", "gpumodeld.service"},
              kDaemonWithin);
  return shown.out == "yes\n" || shown.out == "tmpfs\n";
}

std::string problems_of(const Captured& checked) {
  const ordered_json report = ordered_json::parse(checked.out, nullptr, /*allow_exceptions=*/false);
  std::string out;
  if (!report.is_discarded())
    for (const auto& problem : at(report, "problems"))
      out += (out.empty() ? "" : "; ") + words(problem);
  if (!out.empty()) return out;
  const std::string said = checked.err.substr(0, checked.err.find('\n'));
  return said.empty() ? fmt::format("the check ended with exit status {}", checked.exit) : said;
}

Finding folder_finding(const Model& model, const std::string& engine_program) {
  std::vector<std::string> command{engine_program, "--check",   model.path,
                                   "--dtype",      model.dtype, "--json"};
  if (!model.adapter.empty()) command.insert(command.end(), {"--adapter", model.adapter});
  const Captured checked = capture(command, kFolderWithin);
  if (checked.exit != 0)
    return {"model", Level::fail, fmt::format("{}: {}", model.name, problems_of(checked)),
            fmt::format("correct the folder {}, or the table [models.{}]", model.path, model.name)};
  const ordered_json report = ordered_json::parse(checked.out, nullptr, /*allow_exceptions=*/false);
  return {
      "model", Level::ok,
      fmt::format("{}: {}, {}, {} of weights in {}", model.name, words(at(report, "architecture")),
                  words(at(report, "dtype")), bytes(at(report, "tensor_bytes")), model.path),
      ""};
}

Finding unreadable(const std::string& path, int error) {
  if (error == EACCES)
    return {"config", Level::warn,
            "you may not read " + path + ": it and its models are not checked",
            "`sudo gpumodelctl doctor`"};
  return {"config", Level::warn, fmt::format("{}: {}", path, std::strerror(error)),
          "name the daemon's configuration with --config"};
}

}  // namespace

Findings check_config(const std::string& path, const std::string& daemon_program,
                      const std::string& engine_program) {
  if (::access(path.c_str(), R_OK) != 0) return {unreadable(path, errno)};
  const Captured checked =
      capture({daemon_program, "--check-config", "--config", path}, kDaemonWithin);
  if (checked.exit == 127)
    return {{"config", Level::warn,
             fmt::format("{} cannot be checked: {}: {}", path, daemon_program,
                         checked.err.substr(0, checked.err.find('\n'))),
             "install gpumodeld's package"}};
  if (checked.exit != 0) {
    std::string text = checked.err;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return {{"config", Level::fail, text, "correct it, then `systemctl reload gpumodeld`"}};
  }
  Findings out{{"config", Level::ok, checked.out.substr(0, checked.out.find('\n')), ""}};
  const bool hides_homes = unit_hides_homes();
  for (const Model& model : models_of(path)) {
    out.push_back(folder_finding(model, engine_program));
    if (hides_homes && is_hidden_from_unit(model.path))
      out.push_back({"model", Level::warn,
                     fmt::format("{}: the service may not see {}", model.name, model.path),
                     "move it, or `systemctl edit gpumodeld` with ProtectHome=read-only"});
  }
  return out;
}

}  // namespace gpumodelctl

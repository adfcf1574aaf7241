// `doctor`: what has to be right for this user to be served here, and what to do where it is not.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gpumodelctl/view.hpp"

namespace gpumodelctl {

enum class Level { ok, warn, fail };

struct Finding {
  std::string
      check;  // "socket", "group", "service", "driver", "engine", "limits", "config", "model"
  Level level = Level::ok;
  std::string text;
  std::string remedy;  // empty where it is ok
};
using Findings = std::vector<Finding>;

struct DoctorCommand {
  std::string socket;  // empty: as for every command
  std::string config;
  bool json = false;
};
// Exit code 1 where something fails.
int run_doctor(const DoctorCommand& command);

// ---- the service (doctor_service.cpp)

// The socket's file, and whether the calling user may open it.
Findings check_socket(const std::string& path);
// Whether the daemon answers there, and what it says of its devices; `status` becomes its answer,
// or null.
Findings check_service(const std::string& socket, nlohmann::ordered_json& status);

// ---- the machine (doctor_machine.cpp); `root` is "" but in tests, which have one of their own

bool has_nvidia_gpu(const std::string& root);
Findings check_driver(const std::string& root);
// The engine and the libraries that it loads.
Findings check_engine(const std::string& program);
// Of the daemon where `status` tells its process, else of this one.
Findings check_limits(const std::string& root, const nlohmann::ordered_json& status);

// ---- the configuration (doctor_models.cpp)

// By `daemon_program`; with what the engine says of every model's folder where it is good.
Findings check_config(const std::string& path, const std::string& daemon_program,
                      const std::string& engine_program);

std::string findings_text(const Findings& findings, const View& view);
nlohmann::ordered_json findings_json(const Findings& findings);

}  // namespace gpumodelctl

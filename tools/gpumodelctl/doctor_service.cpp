#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "gpumodelctl/doctor.hpp"
#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

constexpr int kPatienceMs = 3000;
constexpr const char* kStart =
    "start it with `systemctl enable --now gpumodeld.socket`, or name another socket with --socket "
    "or $GPUMODEL_SOCKET";
constexpr const char* kLook = "see `systemctl status gpumodeld` and `journalctl -u gpumodeld`";

std::string user_name(uid_t uid) {
  const passwd* entry = getpwuid(uid);
  return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

std::string group_name(gid_t gid) {
  const group* entry = getgrgid(gid);
  return entry != nullptr ? entry->gr_name : std::to_string(gid);
}

// Of this process, which may have begun before the user joined one.
bool is_in_group(gid_t gid) {
  if (getegid() == gid) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, getgroups(0, nullptr))));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  return count > 0 && std::find(groups.begin(), groups.end(), gid) != groups.end();
}

// By the system's own lists.
bool is_listed_in_group(gid_t gid) {
  const passwd* entry = getpwuid(getuid());
  if (entry == nullptr) return false;
  int count = 0;
  getgrouplist(entry->pw_name, entry->pw_gid, nullptr, &count);
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (getgrouplist(entry->pw_name, entry->pw_gid, groups.data(), &count) < 0) return false;
  return std::find(groups.begin(), groups.end(), gid) != groups.end();
}

Finding group_finding(const struct stat& file) {
  const std::string group = group_name(file.st_gid), user = user_name(getuid());
  if (getuid() == 0) return {"group", Level::ok, "root needs no group", ""};
  if (is_in_group(file.st_gid)) return {"group", Level::ok, user + " is in the group " + group, ""};
  if ((file.st_mode & S_IWOTH) != 0)
    return {"group", Level::ok, "every user may open the socket", ""};
  if (is_listed_in_group(file.st_gid))
    return {"group", Level::fail,
            fmt::format("{} has joined the group {}, but after this session began", user, group),
            fmt::format("log in again, or run `newgrp {}`", group)};
  return {"group", Level::fail, fmt::format("{} is not in the group {}", user, group),
          fmt::format("`sudo usermod -aG {} {}`, then log in again", group, user)};
}

void add_devices(const ordered_json& status, Findings& out) {
  const auto& devices = at(status, "devices");
  if (devices.empty())
    out.push_back({"service", Level::warn, "no devices are configured: no model can be loaded",
                   "add a table such as [devices.cpu] to the configuration"});
  for (const auto& device : devices) {
    const std::string name = words(at(device, "name"));
    if (at(device, "state") == "failed")
      out.push_back({"service", Level::fail, "device " + name + " has failed",
                     "see why with `gpumodelctl events` and `journalctl -u gpumodeld`"});
    if (at(device, "draining") == true)
      out.push_back({"service", Level::warn, "device " + name + " drains: it takes no loads",
                     "`gpumodelctl drain --device " + name + " --off`"});
  }
}

void add_models(const ordered_json& status, Findings& out) {
  for (const auto& model : at(status, "models")) {
    const auto& error = at(model, "error");
    if (!error.is_object()) continue;
    const std::string name = words(at(model, "name"));
    out.push_back({"service", Level::fail,
                   fmt::format("model {} cannot be used: {}", name, words(at(error, "message"))),
                   "correct its folder or its table, then `systemctl reload gpumodeld`"});
  }
}

}  // namespace

Findings check_socket(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) {
    const int error = errno;
    return {{"socket", Level::fail, fmt::format("{}: {}", path, std::strerror(error)),
             error == EACCES ? "have an administrator open the folders above it to you" : kStart}};
  }
  if (!S_ISSOCK(file.st_mode)) return {{"socket", Level::fail, path + " is no socket", kStart}};
  const std::string owner = fmt::format("{}, {}:{}, mode {:04o}", path, user_name(file.st_uid),
                                        group_name(file.st_gid), file.st_mode & 07777);
  Findings out;
  if (::access(path.c_str(), R_OK | W_OK) == 0) {
    out.push_back({"socket", Level::ok, owner, ""});
  } else {
    out.push_back({"socket", Level::fail, "you may not open " + owner,
                   "join its group, or have an administrator change SocketGroup and SocketMode of "
                   "gpumodeld.socket"});
  }
  out.push_back(group_finding(file));
  return out;
}

Findings check_service(const std::string& socket, ordered_json& status) {
  Findings out;
  status = nullptr;
  try {
    const Client client = connect(socket, nullptr, nullptr, kPatienceMs);
    status = call(client.get(), "status", ordered_json::object(), kPatienceMs);
  } catch (const Failure& failure) {
    out.push_back({"service", Level::fail, failure.what(),
                   failure.exit == kExitDenied ? "join the socket's group" : kLook});
    return out;
  }
  const auto& daemon = at(status, "daemon");
  const std::string version = words(at(daemon, "version"));
  out.push_back({"service", Level::ok,
                 fmt::format("gpumodeld {} answers, pid {}", version, words(at(daemon, "pid"))),
                 ""});
  const std::string own = fmt::format("{}.{}", gm_version() >> 16, gm_version() & 0xffff);
  if (version.rfind(own + '.', 0) != 0)
    out.push_back({"service", Level::warn,
                   fmt::format("the daemon is {}, libgpumodel {}", version, own),
                   "`systemctl restart gpumodeld` after an upgrade"});
  if (at(daemon, "draining") == true)
    out.push_back({"service", Level::warn, "the daemon drains: it takes no new work",
                   "`gpumodelctl drain --off`, where it is not being stopped"});
  add_devices(status, out);
  add_models(status, out);
  return out;
}

}  // namespace gpumodelctl

#include "broker/reload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/log_messages.hpp"
#include "broker/notify.hpp"

namespace gpumodel::broker {
namespace {

struct NamedId {
  std::string name;
  std::optional<std::uint32_t> id;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("name", self.name);
    visit("id", self.id);
  }
};

// Everything that reading the configuration asks of the system, fetched aside: the file's text, and
// the ids of the names in it. With these, reading it asks nobody.
struct Sources {
  std::string error;  // why there is no text
  wire::Raw text;     // as a string of bytes
  std::vector<NamedId> users;
  std::vector<NamedId> groups;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("error", self.error);
    visit("text", self.text);
    visit("users", self.users);
    visit("groups", self.groups);
  }
};

Directory recording(const Directory& asked, Sources& sources) {
  return {[&](const std::string& name) {
            return sources.users.emplace_back(NamedId{name, asked.user(name)}).id;
          },
          [&](const std::string& name) {
            return sources.groups.emplace_back(NamedId{name, asked.group(name)}).id;
          }};
}

Directory recorded(const Sources& sources) {
  const auto find = [](const std::vector<NamedId>& known, const std::string& name) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const NamedId& entry) { return entry.name == name; });
    return found != known.end() ? found->id : std::nullopt;
  };
  return {[&sources, find](const std::string& name) { return find(sources.users, name); },
          [&sources, find](const std::string& name) { return find(sources.groups, name); }};
}

// In a process of its own.
std::string fetch(const std::string& path) {
  Sources sources;
  try {
    const std::string text = read_config_text(path);
    sources.text = {wire::encode(text)};
    read_config(text, path, machine_memory_bytes(), recording(system_directory(), sources));
  } catch (const ConfigError& error) {
    // What is wrong in the text is found again, and told, where it is read for good.
    if (sources.text.bytes.empty()) sources.error = error.what();
  }
  return wire::encode(sources);
}

Config read_from(const Sources& sources, const std::string& path) {
  if (!sources.error.empty()) throw ConfigError(sources.error);
  const msgpack::object_handle text =
      msgpack::unpack(sources.text.bytes.data(), sources.text.bytes.size());
  return read_config({text->via.str.ptr, text->via.str.size}, path, machine_memory_bytes(),
                     recorded(sources));
}

}  // namespace

std::vector<std::string> unchangeable_keys(const Config& now, const Config& next) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* key, bool is_same) {
    if (!is_same) keys.emplace_back(key);
  };
  compare("daemon.socket", now.daemon.socket == next.daemon.socket);
  compare("daemon.socket_mode", now.daemon.socket_mode == next.daemon.socket_mode);
  compare("daemon.socket_group", now.daemon.socket_group == next.daemon.socket_group);
  compare("daemon.hang_timeout", now.daemon.hang_timeout == next.daemon.hang_timeout);
  compare("devices", now.devices == next.devices);
  compare("host_cache.memory", now.host_cache_bytes == next.host_cache_bytes);
  return keys;
}

Reload::Reload(const Log& log, std::string path, bool socket_is_given, Config& config, Aside& aside,
               Catalog& catalog, Conductor& conductor, Inspector& inspector, EventLog& events,
               MetricsTextfile& textfile)
    : log_(log),
      path_(std::move(path)),
      socket_is_given_(socket_is_given),
      config_(config),
      aside_(aside),
      catalog_(catalog),
      conductor_(conductor),
      inspector_(inspector),
      events_(events),
      textfile_(textfile) {}

void Reload::begin() {
  if (is_reading_) {
    again_ = true;
    return;
  }
  is_reading_ = true;
  notify::reloading("reading the configuration");
  aside_.run([path = path_] { return fetch(path); },
             [this](const std::optional<std::string>& sources) { on_read(sources); });
}

void Reload::on_read(const std::optional<std::string>& bytes) {
  is_reading_ = false;
  try {
    if (!bytes) throw ConfigError(path_ + ": the configuration could not be read in time");
    replace_by(read_from(wire::decode_bytes<Sources>(*bytes), path_));
    notify::ready(fmt::format("serving {} models on {} devices", config_.models.size(),
                              config_.devices.size()));
  } catch (const ConfigError& error) {
    log_.error(messages::kReloadFailed, {{"REASON", error.what()}});
    events_.add("reload_failed", error.what());
    notify::ready("the configuration was not reloaded, the old one stays");
  }
  if (std::exchange(again_, false)) begin();
}

void Reload::replace_by(Config next) {
  if (socket_is_given_) next.daemon.socket = config_.daemon.socket;
  if (const auto keys = unchangeable_keys(config_, next); !keys.empty())
    throw ConfigError(
        fmt::format("{}: {} cannot change while the daemon runs; restart it, or change it back",
                    path_, fmt::join(keys, ", ")));
  config_ = std::move(next);
  conductor_.decide(
      [&](core::Core& core, core::Time now) { return core.set_config(now, core_config(config_)); });
  for (const core::ModelId model : catalog_.replace(config_.models))
    conductor_.decide(
        [&](core::Core& core, core::Time now) { return core.remove_model(now, model); });
  textfile_.write_to(config_.daemon.metrics_textfile);
  inspector_.tell_known();
  inspector_.inspect_all();
  log_.info(messages::kReloaded, {{"MODELS", std::to_string(config_.models.size())}});
  events_.add("reloaded", fmt::format("{} models", config_.models.size()));
}

}  // namespace gpumodel::broker

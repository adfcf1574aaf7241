// SIGHUP: the configuration is read again and takes the old one's place, with leases held; or is
// refused, and the old one stays.
#pragma once

#include <string>
#include <vector>

#include "broker/aside.hpp"
#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/event_log.hpp"
#include "broker/inspector.hpp"
#include "broker/metrics_textfile.hpp"

namespace gpumodel::broker {

class Reload {
 public:
  // `config` is the one that everybody reads, and that is replaced. `socket_is_given`: on the
  // command line, and the file's does not matter.
  Reload(const Log& log, std::string path, bool socket_is_given, Config& config, Aside& aside,
         Catalog& catalog, Conductor& conductor, Inspector& inspector, EventLog& events,
         MetricsTextfile& textfile);

  // The service manager is told when it begins and when it has ended, well or not.
  void begin();

 private:
  void on_read(const std::optional<std::string>& sources);
  // Throws ConfigError.
  void replace_by(Config next);

  const Log& log_;
  std::string path_;
  bool socket_is_given_;
  Config& config_;
  Aside& aside_;
  Catalog& catalog_;
  Conductor& conductor_;
  Inspector& inspector_;
  EventLog& events_;
  MetricsTextfile& textfile_;
  bool is_reading_ = false;
  bool again_ = false;  // it was asked for while one was on its way
};

// What of `next` cannot take the place of `now` while the daemon runs: the keys.
std::vector<std::string> unchangeable_keys(const Config& now, const Config& next);

}  // namespace gpumodel::broker

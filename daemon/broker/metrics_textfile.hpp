// The metrics in a file for node_exporter's textfile collector: written aside and renamed, so that
// it reads whole files only.
#pragma once

#include <functional>
#include <string>

#include "broker/aside.hpp"
#include "broker/log.hpp"

namespace gpumodel::broker {

class MetricsTextfile {
 public:
  static constexpr std::chrono::seconds kEvery{15};

  // `text` makes what is written, `every` so often.
  MetricsTextfile(asio::io_context& io, const Log& log, std::function<std::string()> text,
                  std::chrono::milliseconds every = kEvery);
  // Removes the file: what it says would stay for ever.
  ~MetricsTextfile();
  MetricsTextfile(const MetricsTextfile&) = delete;
  MetricsTextfile& operator=(const MetricsTextfile&) = delete;

  // From now on the file is this one, the daemon's own; empty: none. The old one is removed, a
  // write that is on its way included.
  void write_to(const std::string& path);

 private:
  void wait();
  void write();
  void on_written(const std::optional<std::string>& failure);

  const Log& log_;
  std::function<std::string()> text_;
  std::chrono::milliseconds every_;
  std::optional<Aside> aside_;  // its own, to be ended before the file is removed
  asio::steady_timer timer_;
  std::string path_;
  std::string told_;  // the failure that was logged last; empty: it works
  bool writing_ = false;
};

}  // namespace gpumodel::broker

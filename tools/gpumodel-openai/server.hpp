// The HTTP side: routes, limits, who may, and answers as they come.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "gpumodel-openai/leases.hpp"

namespace gpumodel_openai {

struct ServerSettings {
  int fd = -1;      // listens already; the server's to close
  std::string key;  // that requests show; empty: none is asked for
  std::size_t connections = 64;
  std::size_t body_bytes = std::size_t{8} << 20;
};

class Server {
 public:
  Server(Leases& leases, ServerSettings settings);
  ~Server();

  // Serves until stop(); false where its socket failed before.
  bool run();
  // Any thread: takes no connection any more, and returns when the answers that run have ended or
  // `limit` has passed.
  void stop(std::chrono::milliseconds limit);

 private:
  class Http;
  class Running;

  int fd_;
  std::atomic<bool> is_stopping_{false};
  std::shared_ptr<Running> running_;
  std::unique_ptr<Http> http_;
};

}  // namespace gpumodel_openai

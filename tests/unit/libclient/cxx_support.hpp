// gpumodel.hpp beside the scripted daemon.
#pragma once

#include <gpumodel.hpp>

#include "handles.hpp"

namespace gpumodel::test {

inline ClientOptions cxx_options(const FakeDaemon& daemon) {
  ClientOptions options;
  options.socket_path = daemon.path();
  options.app_name = "tester";
  return options;
}

inline Client open_cxx(const FakeDaemon& daemon) { return Client::open(cxx_options(daemon)); }

}  // namespace gpumodel::test

// fake_engine: answers the engine's and the probe's frames without libtorch and without weights,
// always the same way, so that the broker is tested over real sockets and processes. Its models are
// folders with a fake.json (support/fake/fake_model.hpp). The prompt "crash" kills it; "hang" is
// never answered.
//
//   fake_engine --fd N            an engine
//   fake_engine --probe --fd N    a probe
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "engine/server/channel.hpp"
#include "support/fake/fake_session.hpp"

namespace {

int serve(int fd, bool is_probe) {
  gpumodel::engine::server::Channel channel{gpumodel::os::Fd(fd)};
  gpumodel::test::FakeSession session(channel, is_probe);
  const auto on_frame = [&](const gpumodel::wire::Frame& frame, gpumodel::os::Fd carried) {
    session.on_frame(frame, std::move(carried));
  };
  while (channel.serve_once(session.tick(), on_frame)) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int fd = -1;
  bool is_probe = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--probe") == 0) is_probe = true;
    if (std::strcmp(argv[i], "--fd") == 0 && i + 1 < argc) fd = std::atoi(argv[++i]);
  }
  if (fd < 0) {
    std::fputs("usage: fake_engine [--probe] --fd N\n", stderr);
    return 2;
  }
  try {
    return serve(fd, is_probe);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fake_engine: %s\n", error.what());
    return 1;
  }
}

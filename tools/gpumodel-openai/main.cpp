// gpumodel-openai: OpenAI's HTTP API over libgpumodel, for the user who starts it.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "gpumodel-openai/bearer_key.hpp"
#include "gpumodel-openai/listening_socket.hpp"
#include "gpumodel-openai/server.hpp"

namespace {

using namespace gpumodel_openai;

struct Options {
  std::string socket;
  std::string listen;
  std::string key_file;
  std::string daemon_socket;
  double keep_s = 30;
  double wait_s = 60;
  double drain_s = 30;
  std::size_t connections = 64;
  std::size_t body_mib = 8;
};

std::string default_socket() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime ? std::string(runtime) + "/gpumodel-openai.sock" : std::string();
}

std::string default_key_file() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  const std::string base = config ? config
                           : home ? std::string(home) + "/.config"
                                  : std::string(".");
  return base + "/gpumodel-openai.key";
}

void declare(CLI::App& app, Options& options) {
  auto* socket = app.add_option("--socket", options.socket,
                                "serve this Unix socket, for its owner alone "
                                "($XDG_RUNTIME_DIR/gpumodel-openai.sock)")
                     ->type_name("PATH");
  app.add_option("--listen", options.listen,
                 "serve 127.0.0.1 or [::1] instead; clients show the key")
      ->type_name("HOST:PORT")
      ->excludes(socket);
  app.add_option("--key-file", options.key_file,
                 "the key of --listen; a fresh one is put where there is none "
                 "(~/.config/gpumodel-openai.key)")
      ->type_name("PATH");
  app.add_option("--daemon", options.daemon_socket, "gpumodeld's socket ($GPUMODEL_SOCKET)")
      ->type_name("PATH");
  app.add_option("--keep", options.keep_s, "release a model so long after its last request (30)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--wait", options.wait_s,
                 "answer 429 when a model is not there after so long (60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 1e6));
  app.add_option("--drain", options.drain_s, "at the end, let requests go on for so long (30)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--connections", options.connections, "at most so many at once (64)")
      ->check(CLI::Range(1, 512));
  app.add_option("--max-body", options.body_mib, "longest request (8)")
      ->type_name("MIB")
      ->check(CLI::Range(1, 1024));
}

std::chrono::milliseconds ms(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
}

ServerSettings settings_of(const Options& options) {
  ServerSettings settings;
  settings.connections = options.connections;
  settings.body_bytes = options.body_mib << 20;
  if (!options.listen.empty()) {
    const std::string file = options.key_file.empty() ? default_key_file() : options.key_file;
    settings.key = load_or_make_key(file);
    settings.fd = listen_on_loopback(options.listen);
    std::printf("gpumodel-openai: serving http://%s/v1, the key is in %s\n",
                bound_address(settings.fd).c_str(), file.c_str());
  } else {
    const std::string path = options.socket.empty() ? default_socket() : options.socket;
    if (path.empty()) throw std::runtime_error("no XDG_RUNTIME_DIR: give --socket or --listen");
    settings.fd = listen_on_path(path);
    std::printf("gpumodel-openai: serving %s\n", path.c_str());
  }
  std::fflush(stdout);
  return settings;
}

// What ends the server. Blocked before any thread is there, so that no thread is ended by them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// What still runs then has its time.
void stop_on(sigset_t signals, Server& server, std::chrono::milliseconds drain) {
  std::thread([signals, drain, &server] {
    int signal = 0;
    sigwait(&signals, &signal);
    server.stop(drain);
    ::_exit(0);
  }).detach();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("OpenAI's HTTP API over gpumodeld, for the user who starts it.", "gpumodel-openai");
  app.set_version_flag("--version", "gpumodel-openai " GPUMODEL_VERSION);
  Options options;
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    ::signal(SIGPIPE, SIG_IGN);
    const sigset_t signals = block_signals();
    Leases leases({options.daemon_socket, ms(options.keep_s), ms(options.wait_s)});
    Server server(leases, settings_of(options));
    stop_on(signals, server, ms(options.drain_s));
    if (!server.run()) throw std::runtime_error("the socket failed");
    // What still runs has the time that it was given.
    for (;;) ::pause();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpumodel-openai: %s\n", error.what());
    return 1;
  }
}

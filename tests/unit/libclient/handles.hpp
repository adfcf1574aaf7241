// Owners for the C handles, and the few calls that every test of the library makes.
#pragma once

#include <gpumodel.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>

#include "support/fake_daemon.hpp"

namespace gpumodel::test {

struct Deleter {
  void operator()(gm_client* client) const { gm_client_close(client); }
  void operator()(gm_lease* lease) const { gm_lease_free(lease); }
  void operator()(gm_stream* stream) const { gm_stream_free(stream); }
  void operator()(gm_models* models) const { gm_models_free(models); }
  void operator()(char* text) const { gm_free(text); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

inline gm_client_options options_for(const FakeDaemon& daemon) {
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  options.socket_path = daemon.socket();
  options.app_name = "tester";
  return options;
}

inline Owned<gm_client> open_client(const gm_client_options& options) {
  gm_client* client = nullptr;
  BOOST_REQUIRE_EQUAL(gm_client_open(&options, &client), GM_OK);
  return Owned<gm_client>(client);
}

inline Owned<gm_client> open_client(const FakeDaemon& daemon) {
  return open_client(options_for(daemon));
}

inline Owned<gm_lease> acquire(const Owned<gm_client>& client, const char* model = "concept") {
  gm_lease* lease = nullptr;
  BOOST_REQUIRE_EQUAL(gm_lease_acquire(client.get(), model, nullptr, &lease), GM_OK);
  return Owned<gm_lease>(lease);
}

inline gm_request request_for(const char* prompt) {
  gm_request request;
  gm_request_init(&request, sizeof request);
  request.prompt = prompt;
  return request;
}

inline Owned<gm_stream> generate(const Owned<gm_lease>& lease, const gm_request& request) {
  gm_stream* stream = nullptr;
  BOOST_REQUIRE_EQUAL(gm_generate(lease.get(), &request, &stream), GM_OK);
  return Owned<gm_stream>(stream);
}

inline gm_error last_error() {
  gm_error error = GM_ERROR_INIT;
  gm_last_error(&error);
  return error;
}

inline json finished(const std::string& finish = "stop") {
  return {{"finish", finish},
          {"usage",
           {{"prompt_tokens", 4},
            {"cached_tokens", 1},
            {"output_tokens", 2},
            {"queue_us", 10},
            {"first_token_us", 20},
            {"total_us", 30},
            {"seed", 42}}}};
}

}  // namespace gpumodel::test

// A program that loads the library when it likes, as plug-ins do. This one does not link it.
#include <dlfcn.h>
#include <gpumodel.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <thread>
#include <vector>

#include "support/fake_daemon.hpp"

using namespace gpumodel::test;

namespace {

class Loaded {
 public:
  Loaded() : handle_(dlopen(GPUMODEL_LIBRARY, RTLD_NOW | RTLD_LOCAL)) {
    BOOST_REQUIRE_MESSAGE(handle_ != nullptr, dlerror());
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() { dlclose(handle_); }

  template <class Function>
  Function* get(const char* name) const {
    void* found = dlsym(handle_, name);
    BOOST_REQUIRE_MESSAGE(found != nullptr, name);
    return reinterpret_cast<Function*>(found);
  }

 private:
  void* handle_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(dlopen_close)

BOOST_AUTO_TEST_CASE(in_a_loop_with_a_session_each) {
  constexpr int kTimes = 50;
  FakeDaemon daemon(std::vector<FakeDaemon::Script>(kTimes, [](Connection& c) {
    c.greet_and_grant();
    c.release(c.expect("lease.release"));
    c.closes();
  }));
  for (int i = 0; i < kTimes; ++i) {
    const Loaded library;
    gm_client_options options = GM_CLIENT_OPTIONS_INIT;
    options.socket_path = daemon.socket();
    gm_client* client = nullptr;
    gm_lease* lease = nullptr;
    BOOST_REQUIRE(library.get<decltype(gm_client_open)>("gm_client_open")(&options, &client) ==
                  GM_OK);
    BOOST_REQUIRE(library.get<decltype(gm_lease_acquire)>("gm_lease_acquire")(
                      client, "concept", nullptr, &lease) == GM_OK);
    BOOST_TEST(library.get<decltype(gm_lease_release)>("gm_lease_release")(lease, GM_WAIT_FOREVER,
                                                                           nullptr) == GM_OK);
    library.get<decltype(gm_lease_free)>("gm_lease_free")(lease);
    library.get<decltype(gm_client_close)>("gm_client_close")(client);
  }
  daemon.join();
}

BOOST_AUTO_TEST_CASE(threads_with_an_error_outlive_it) {
  std::atomic<int> failed{0};
  std::atomic<bool> closed{false};
  std::vector<std::thread> threads;
  {
    const Loaded library;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, open = library.get<decltype(gm_client_open)>("gm_client_open")] {
        gm_client_options options = GM_CLIENT_OPTIONS_INIT;
        options.socket_path = "/nonexistent/api.sock";
        gm_client* client = nullptr;
        if (open(&options, &client) == GM_E_NO_DAEMON) ++failed;
        while (!closed) std::this_thread::yield();
      });
    }
    while (failed < 4) std::this_thread::yield();
  }
  closed = true;
  for (std::thread& thread : threads) thread.join();  // each frees the last error that it had
  BOOST_TEST(failed == 4);
}

BOOST_AUTO_TEST_SUITE_END()

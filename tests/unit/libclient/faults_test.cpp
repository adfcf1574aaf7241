// Every system call of the connection cut short, interrupted, refused for now, or failing for good.
// The linker sends them through the wrappers below (--wrap); only the thread under test is
// disturbed.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <vector>

#include "handles.hpp"

using namespace gpumodel::test;

extern "C" {
ssize_t __real_send(int fd, const void* data, std::size_t size, int flags);
ssize_t __real_recv(int fd, void* data, std::size_t size, int flags);
int __real_poll(pollfd* fds, nfds_t count, int timeout_ms);
int __real_connect(int fd, const sockaddr* address, socklen_t size);
}

namespace {

// What becomes of the nth call of this thread: 0 to go on, or the errno to fail with.
using Fault = std::function<int(long nth, const char* call)>;
thread_local const Fault* fault = nullptr;
thread_local bool one_byte_only = false;
thread_local long calls = 0;

int failure(const char* call) { return fault != nullptr ? (*fault)(++calls, call) : 0; }

// A connection that is reset is over.
bool fails(const char* call, int fd) {
  const int reason = failure(call);
  if (reason == ECONNRESET || reason == EPIPE) shutdown(fd, SHUT_RDWR);
  if (reason != 0) errno = reason;
  return reason != 0;
}

}  // namespace

extern "C" {
ssize_t __wrap_send(int fd, const void* data, std::size_t size, int flags) {
  if (fails("send", fd)) return -1;
  return __real_send(fd, data, one_byte_only ? std::min<std::size_t>(size, 1) : size, flags);
}
ssize_t __wrap_recv(int fd, void* data, std::size_t size, int flags) {
  if (fails("recv", fd)) return -1;
  return __real_recv(fd, data, one_byte_only ? std::min<std::size_t>(size, 1) : size, flags);
}
int __wrap_poll(pollfd* fds, nfds_t count, int timeout_ms) {
  return fails("poll", fds->fd) ? -1 : __real_poll(fds, count, timeout_ms);
}
int __wrap_connect(int fd, const sockaddr* address, socklen_t size) {
  return fails("connect", fd) ? -1 : __real_connect(fd, address, size);
}
}

namespace {

struct Disturbed {
  Disturbed(const Fault& what, bool bytes) {
    calls = 0;
    fault = &what;
    one_byte_only = bytes;
  }
  ~Disturbed() {
    fault = nullptr;
    one_byte_only = false;
  }
};

void serve(Connection& c) {
  c.greet();
  for (;;) {
    const Incoming m = c.next();
    if (m.method == "lease.acquire") c.grant(m);
    if (m.method == "lease.release") c.release(m);
    if (m.method != "generate") continue;
    json result = finished();
    result["text"] = std::string(300, 't');
    for (int seq = 0; m.params.contains("stream") && seq < 3; ++seq) c.chunk(m, seq, "x", {seq});
    c.respond(m, result);
  }
}

// The first call that does not give what it should.
gm_status use(const FakeDaemon& daemon) {
  const gm_client_options options = options_for(daemon);
  gm_client* raw_client = nullptr;
  gm_status status = gm_client_open(&options, &raw_client);
  const Owned<gm_client> client(raw_client);
  gm_lease* raw_lease = nullptr;
  if (status == GM_OK) status = gm_lease_acquire(raw_client, "concept", nullptr, &raw_lease);
  const Owned<gm_lease> lease(raw_lease);
  char* raw_text = nullptr;
  if (status == GM_OK) status = gm_complete(raw_lease, "x", nullptr, &raw_text, nullptr);
  const Owned<char> text(raw_text);
  if (status == GM_OK && text.get() != std::string(300, 't')) return GM_E_INTERNAL;
  const gm_request request = request_for("y");
  gm_stream* raw_stream = nullptr;
  if (status == GM_OK) status = gm_generate(raw_lease, &request, &raw_stream);
  const Owned<gm_stream> stream(raw_stream);
  gm_chunk chunk = GM_CHUNK_INIT;
  int chunks = 0;
  while (status == GM_OK) {
    status = gm_stream_next(raw_stream, &chunk, GM_WAIT_FOREVER);
    if (status == GM_OK) ++chunks;
  }
  if (status != GM_END) return status;
  if (chunks != 3) return GM_E_INTERNAL;
  return gm_lease_release(raw_lease, GM_WAIT_FOREVER, nullptr);
}

gm_status use_disturbed(const Fault& what, bool bytes = false) {
  FakeDaemon daemon(serve);
  const Disturbed disturbed(what, bytes);
  return use(daemon);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(faults)

BOOST_AUTO_TEST_CASE(one_byte_at_a_time) {
  BOOST_TEST(use_disturbed([](long, const char*) { return 0; }, /*bytes=*/true) == GM_OK);
  BOOST_TEST(calls > 1000);
}

BOOST_AUTO_TEST_CASE(every_other_call_is_interrupted) {
  for (const bool bytes : {false, true})
    BOOST_TEST(use_disturbed([](long nth, const char*) { return nth % 2 == 1 ? EINTR : 0; },
                             bytes) == GM_OK);
}

BOOST_AUTO_TEST_CASE(the_socket_is_not_ready_after_all) {
  for (const bool bytes : {false, true}) {
    long transfers = 0;
    BOOST_TEST(use_disturbed(
                   [&](long, const char* call) {
                     const bool transfer = *call == 's' || *call == 'r';
                     return transfer && ++transfers % 2 == 1 ? EAGAIN : 0;
                   },
                   bytes) == GM_OK);
  }
}

BOOST_AUTO_TEST_CASE(each_call_in_turn_fails_once) {
  BOOST_REQUIRE(use_disturbed([](long, const char*) { return 0; }) == GM_OK);
  const long all = calls;
  BOOST_TEST(all > 10);
  for (const int reason : {ECONNRESET, EPIPE, ENOMEM, ENOBUFS}) {
    for (long nth = 1; nth <= all; ++nth) {
      std::string failed;
      const gm_status status = use_disturbed([&](long call, const char* name) {
        if (call == nth) failed = name;
        return call == nth ? reason : 0;
      });
      BOOST_TEST((status == GM_OK || status == GM_E_DISCONNECTED || status == GM_E_SYSTEM),
                 "call " << nth << ", " << failed << ", errno " << reason << ": "
                         << gm_status_name(status));
    }
  }
}

// As poll(2) of a process whose RLIMIT_NOFILE is below the two that are watched.
BOOST_AUTO_TEST_CASE(what_cannot_be_waited_for_is_an_error_and_no_loop) {
  BOOST_TEST(use_disturbed([](long nth, const char* call) {
               return nth > 6 && *call == 'p' ? EINVAL : 0;
             }) == GM_E_SYSTEM);
  BOOST_TEST(last_error().sys_errno == EINVAL);
}

BOOST_AUTO_TEST_SUITE_END()

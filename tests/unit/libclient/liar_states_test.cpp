// The same lies where more than one thing is under way: nothing asked, a pending acquire, a stream
// half read, cancelled or waiting for its suspended model, a release that was not waited for.
#include <atomic>
#include <thread>
#include <vector>

#include "handles.hpp"
#include "lies.hpp"

using namespace gpumodel::test;

namespace {

struct State {
  const char* name;
  // The daemon's part, until it lies: the id of the request that is open then.
  std::uint32_t (*serve)(Connection& c);
  // The program's part: what its last call gives.
  gm_status (*use)(gm_client* client, gm_lease* lease);
};

gm_status read_stream(gm_stream* stream) {
  gm_chunk chunk = GM_CHUNK_INIT;
  gm_status status = GM_OK;
  while (status == GM_OK) status = gm_stream_next(stream, &chunk, GM_WAIT_FOREVER);
  const gm_status again = gm_stream_next(stream, &chunk, GM_WAIT_FOREVER);
  gm_stream_free(stream);
  return again == status ? status : GM_E_INTERNAL;
}

gm_status start_stream(gm_lease* lease, gm_stream** stream) {
  const gm_request request = request_for("x");
  return gm_generate(lease, &request, stream);
}

const State kStates[] = {
    {"nothing asked", [](Connection&) -> std::uint32_t { return 2; },  // the acquire's
     [](gm_client* client, gm_lease*) {
       gm_status status = GM_OK;
       while (status == GM_OK) status = gm_client_dispatch(client, GM_WAIT_FOREVER);
       return status;
     }},
    {"a pending acquire", [](Connection& c) { return c.expect("lease.acquire").id; },
     [](gm_client* client, gm_lease*) {
       const char* names[] = {"a", "b"};
       gm_lease* leases[2];
       if (gm_lease_begin(client, names, 2, nullptr, leases) != GM_OK) return gm_status{GM_OK};
       gm_status status = GM_AGAIN;
       while ((status = gm_lease_poll(leases[1])) == GM_AGAIN)
         gm_client_dispatch(client, GM_WAIT_FOREVER);
       const gm_status first = gm_lease_poll(leases[0]);
       gm_lease_free(leases[0]);
       gm_lease_free(leases[1]);
       return first == status ? status : gm_status{GM_E_INTERNAL};
     }},
    {"a stream half read",
     [](Connection& c) {
       const Incoming request = c.expect("generate");
       c.chunk(request, 0, "half");
       return request.id;
     },
     [](gm_client*, gm_lease* lease) {
       gm_stream* stream = nullptr;
       const gm_status status = start_stream(lease, &stream);
       return status == GM_OK ? read_stream(stream) : status;
     }},
    {"a cancelled stream",
     [](Connection& c) {
       const Incoming request = c.expect("generate");
       c.expect("cancel");
       return request.id;
     },
     [](gm_client*, gm_lease* lease) {
       gm_stream* stream = nullptr;
       gm_status status = start_stream(lease, &stream);
       if (status == GM_OK) status = gm_stream_cancel(stream);
       return status == GM_OK ? read_stream(stream) : status;
     }},
    {"a suspended lease",
     [](Connection& c) {
       c.notify("lease.suspended", {{"lease", 7}});
       return c.expect("generate").id;
     },
     [](gm_client*, gm_lease* lease) {
       char* text = nullptr;
       return gm_complete(lease, "x", nullptr, &text, nullptr);
     }},
    {"a release not waited for", [](Connection& c) { return c.expect("lease.release").id; },
     [](gm_client*, gm_lease* lease) {
       const gm_status status = gm_lease_release(lease, 0, nullptr);
       return status == GM_AGAIN ? gm_lease_release(lease, GM_WAIT_FOREVER, nullptr) : status;
     }},
    {"subscribing", [](Connection& c) { return c.expect("events.subscribe").id; },
     [](gm_client* client, gm_lease*) { return gm_subscribe(client, 1, GM_WAIT_FOREVER); }},
    {"detokenizing", [](Connection& c) { return c.expect("detokenize").id; },
     [](gm_client*, gm_lease* lease) {
       const std::int32_t token = 1;
       char* text = nullptr;
       return gm_detokenize(lease, &token, 1, GM_WAIT_FOREVER, &text, nullptr);
     }}};

}  // namespace

BOOST_AUTO_TEST_SUITE(liar_states)

BOOST_AUTO_TEST_CASE(every_lie_ends_the_connection) {
  for (const State& state : kStates) {
    for (std::size_t i = 0; i < lies(0).size(); ++i) {
      std::atomic<bool> granted{false};  // and read, so that the lie does not come with it
      FakeDaemon daemon([&](Connection& c) {
        c.greet_and_grant({"events"});
        while (!granted) std::this_thread::yield();
        c.send(lies(state.serve(c))[i].bytes);
        c.hang_up();
      });
      const Lie lie = lies(0)[i];
      gm_client_options options = options_for(daemon);
      options.on_event = [](gm_client*, const gm_event*, void*) {};
      auto client = open_client(options);
      auto lease = acquire(client);
      granted = true;
      BOOST_TEST_CONTEXT(state.name << ", " << lie.name) {
        BOOST_TEST(state.use(client.get(), lease.get()) == lie.expected);
        gm_models* models = nullptr;
        BOOST_TEST(gm_models_get(client.get(), GM_WAIT_FOREVER, &models) == lie.expected);
        gm_lease_info info = GM_LEASE_INFO_INIT;
        BOOST_TEST(gm_lease_get_info(lease.get(), &info) == GM_OK);
        BOOST_TEST(info.state == GM_LEASE_ENDED);
      }
      daemon.join();
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

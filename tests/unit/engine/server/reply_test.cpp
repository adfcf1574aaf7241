#include "engine/server/reply.hpp"

#include <sys/socket.h>

#include <boost/test/unit_test.hpp>

#include "engine/io/bad_model.hpp"
#include "wire/frame.hpp"
#include "wire/messages.hpp"

namespace {

using namespace gpumodel::engine::server;
using gpumodel::os::Fd;
namespace wire = gpumodel::wire;

struct Fixture {
  Fixture() {
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    peer = Fd(ends[0]);
    channel = std::make_unique<Channel>(Fd(ends[1]));
  }

  // What was answered so far.
  std::vector<wire::Frame> answers() {
    channel->serve_once(std::chrono::milliseconds(0), [](const wire::Frame&, const Fd&) {});
    wire::FrameReader reader;
    const auto room = reader.prepare(65536);
    const ssize_t size = ::recv(peer.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (size > 0) reader.commit(static_cast<std::size_t>(size));
    std::vector<wire::Frame> frames;
    while (auto frame = reader.next()) frames.push_back(*frame);
    return frames;
  }

  Fd peer;
  std::unique_ptr<Channel> channel;
  RequestTable table;
};

wire::Code code_of(std::exception_ptr exception) { return to_wire_error(exception).code; }

BOOST_FIXTURE_TEST_SUITE(reply, Fixture)

BOOST_AUTO_TEST_CASE(a_request_that_nobody_answers_is_answered_once) {
  { const Reply dropped(*channel, table, 3); }
  const auto frames = answers();
  BOOST_TEST_REQUIRE(frames.size() == 1u);
  BOOST_TEST(frames[0].id == 3u);
  BOOST_TEST((wire::decode_error(frames[0].error).code == wire::Code::internal));
}

BOOST_AUTO_TEST_CASE(an_answered_request_is_not_answered_again) {
  { Reply(*channel, table, 3).succeed(wire::TextResult{"x"}); }
  const auto frames = answers();
  BOOST_TEST_REQUIRE(frames.size() == 1u);
  BOOST_TEST(wire::decode<wire::TextResult>(frames[0].result).text == "x");
}

BOOST_AUTO_TEST_CASE(an_open_id_is_refused_and_free_after_the_answer) {
  Reply first(*channel, table, 3);
  BOOST_CHECK_THROW(Reply(*channel, table, 3), wire::Error);
  first.succeed(wire::Empty{});
  BOOST_CHECK_NO_THROW(Reply(*channel, table, 3));
}

BOOST_AUTO_TEST_CASE(a_stop_reaches_the_open_request_only) {
  const Reply open(*channel, table, 3);
  BOOST_TEST(!table.request_stop(4));
  BOOST_TEST(!open.stop().stop_requested());
  BOOST_TEST(table.request_stop(3));
  BOOST_TEST(open.stop().stop_requested());
}

BOOST_AUTO_TEST_CASE(open_requests_are_bounded) {
  for (std::uint32_t id = 0; id < RequestTable::kMaxOpen; ++id) table.open(id);
  BOOST_CHECK_EXCEPTION(table.open(RequestTable::kMaxOpen), wire::Error,
                        [](const auto& error) { return error.code == wire::Code::quota; });
}

BOOST_AUTO_TEST_CASE(exceptions_become_the_protocol_s_errors) {
  using std::make_exception_ptr;
  BOOST_TEST((code_of(make_exception_ptr(gpumodel::engine::BadModel("a.json", "bad"))) ==
              wire::Code::model_bad));
  BOOST_TEST((code_of(make_exception_ptr(std::bad_alloc())) == wire::Code::nomem));
  BOOST_TEST((code_of(make_exception_ptr(wire::Error(wire::Code::busy, ""))) == wire::Code::busy));
  BOOST_TEST((code_of(make_exception_ptr(std::runtime_error("x"))) == wire::Code::internal));
  BOOST_TEST((code_of(make_exception_ptr(1)) == wire::Code::internal));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace

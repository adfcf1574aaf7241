#include "broker/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "wire/limits.hpp"

namespace gpumodel::broker {

using wire::Code;
using wire::Error;

Session::Session(asio::io_context& io, core::SessionId id, Peer peer, os::Fd socket,
                 std::uint32_t most_in_flight, Metrics& metrics, Handler& handler)
    : id_(id),
      peer_(std::move(peer)),
      most_in_flight_(most_in_flight),
      metrics_(metrics),
      handler_(handler),
      io_(io),
      stream_(io, std::move(socket), *this),
      process_(io),
      first_message_(io) {}

void Session::start() {
  if (peer_.process) process_.start(std::move(peer_.process), [this] { end("its process ended"); });
  first_message_.expires_after(wire::kFirstMessageWithin);
  first_message_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
    if (error || heard_) return;
    metrics_.breached(Breach::first_message);
    end("no message within the time for the first");
  }));
  stream_.start();
}

void Session::greet(std::string app) {
  said_hello_ = true;
  app_ = std::move(app);
}

void Session::on_frame(wire::Frame frame) {
  if (!heard_) {
    heard_ = true;
    first_message_.cancel();
  }
  if (ended_) return;
  if (frame.kind == wire::Frame::Kind::request) {
    on_request(frame);
  } else if (frame.kind == wire::Frame::Kind::notification) {
    handler_.on_notification(*this, frame);
  }
}

void Session::on_request(const wire::Frame& frame) {
  const auto refuse = [&](Error error) {
    metrics_.failed(Metrics::kUnread, error.code);
    wire::append_error_response(stream_.output(), frame.id, error);
    sent();
  };
  if (open_request(frame.id)) {
    metrics_.breached(Breach::request_id);
    return refuse(
        Error(Code::invalid, fmt::format("request id {} is still open; use another", frame.id)));
  }
  if (open_.size() >= most_in_flight_)
    return refuse(Error(Code::quota,
                        fmt::format("{} requests of this connection are open, which is the limit; "
                                    "wait for one to end",
                                    open_.size())));
  const core::RequestId request = handler_.next_request_id();
  open_.push_back({frame.id, request});
  handler_.on_request(*this, request, frame);
}

void Session::on_end(FrameStream::End end_kind, const std::string& reason) {
  if (end_kind == FrameStream::End::malformed) {
    metrics_.breached(Breach::framing);
    wire::append_error_response(stream_.output(), 0,
                                Error(Code::protocol, reason + "; the connection closes"));
  }
  end(reason);
}

std::optional<core::RequestId> Session::open_request(std::uint32_t id) const {
  const auto found = std::find_if(open_.begin(), open_.end(),
                                  [id](const OpenRequest& open) { return open.id == id; });
  return found != open_.end() ? std::optional(found->request) : std::nullopt;
}

bool Session::finish(std::uint32_t id) {
  const auto found = std::find_if(open_.begin(), open_.end(),
                                  [id](const OpenRequest& open) { return open.id == id; });
  if (found == open_.end()) return false;
  *found = open_.back();
  open_.pop_back();
  return !ended_;
}

void Session::fail(std::uint32_t id, const Error& error) {
  if (!finish(id)) return;
  wire::append_error_response(stream_.output(), id, error);
  sent();
}

void Session::sent() {
  stream_.flush();
  if (stream_.queued_bytes() <= wire::kOutputCloseBytes || ended_) return;
  metrics_.breached(Breach::output);
  end("it does not read its output");
}

void Session::end(const std::string& reason) {
  if (ended_) return;
  ended_ = true;
  stream_.close();
  process_.stop();
  first_message_.cancel();
  // Whoever is answering this session right now must not find it, or its leases, gone under its
  // hands.
  asio::post(io_, alive_.guard([this, reason] { handler_.on_session_end(*this, reason); }));
}

}  // namespace gpumodel::broker

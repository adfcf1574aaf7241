// One connection of a client: its identity, its open requests, what it is sent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/frame_stream.hpp"
#include "broker/metrics.hpp"
#include "broker/peer.hpp"
#include "broker/process_watch.hpp"
#include "core/types.hpp"
#include "wire/codec.hpp"

namespace gpumodel::broker {

class Session final : private FrameStream::Handler {
 public:
  class Handler {
   public:
    // A request that the session has noted as open; it is answered exactly once, by respond() or
    // fail().
    virtual void on_request(Session& session, core::RequestId request,
                            const wire::Frame& frame) = 0;
    virtual void on_notification(Session& session, const wire::Frame& frame) = 0;
    // The connection, or the process that opened it, has ended. The session is destroyed later.
    virtual void on_session_end(Session& session, const std::string& reason) = 0;
    virtual core::RequestId next_request_id() = 0;

   protected:
    ~Handler() = default;
  };
  struct OpenRequest {
    std::uint32_t id = 0;  // the client's
    core::RequestId request;
  };

  Session(asio::io_context& io, core::SessionId id, Peer peer, os::Fd socket,
          std::uint32_t most_in_flight, Metrics& metrics, Handler& handler);
  void start();

  core::SessionId id() const { return id_; }
  const Peer& peer() const { return peer_; }
  bool said_hello() const { return said_hello_; }
  void greet(std::string app);
  const std::string& app() const { return app_; }

  // ---- answers
  template <class Result>
  void respond(std::uint32_t id, const Result& result) {
    if (!finish(id)) return;
    wire::append_response(stream_.output(), id, result);
    sent();
  }
  void fail(std::uint32_t id, const wire::Error& error);
  // False, and nothing is sent, where the client leaves too much unread: its stream has overrun.
  template <class Append>
  bool notify(Append append) {
    if (stream_.queued_bytes() > wire::kOutputLimitBytes) return false;
    append(stream_.output());
    sent();
    return true;
  }

  const std::vector<OpenRequest>& open_requests() const { return open_; }
  std::optional<core::RequestId> open_request(std::uint32_t id) const;
  // Sent, and not yet taken by the peer.
  std::size_t unread_bytes() const { return stream_.queued_bytes(); }

  // Ends the connection; on_session_end follows from the loop.
  void end(const std::string& reason);

 private:
  void on_frame(wire::Frame frame) override;
  void on_end(FrameStream::End end, const std::string& reason) override;
  void on_request(const wire::Frame& frame);
  bool finish(std::uint32_t id);
  void sent();

  core::SessionId id_;
  Peer peer_;
  std::uint32_t most_in_flight_;
  Metrics& metrics_;
  Handler& handler_;
  asio::io_context& io_;
  FrameStream stream_;
  ProcessWatch process_;
  asio::steady_timer first_message_;
  std::string app_;
  bool said_hello_ = false;
  bool heard_ = false;
  bool ended_ = false;
  std::vector<OpenRequest> open_;
  Alive alive_;
};

}  // namespace gpumodel::broker

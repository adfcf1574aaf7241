// All connections: admitted within each user's limit, found by id, removed when they end.
#pragma once

#include <memory>
#include <unordered_map>

#include "broker/config.hpp"
#include "broker/log.hpp"
#include "broker/session.hpp"

namespace gpumodel::broker {

class Sessions final : private Session::Handler {
 public:
  class Handler {
   public:
    virtual void on_session_open(Session& session) = 0;
    virtual void on_request(Session& session, core::RequestId request,
                            const wire::Frame& frame) = 0;
    virtual void on_notification(Session& session, const wire::Frame& frame) = 0;
    virtual void on_session_close(Session& session) = 0;

   protected:
    ~Handler() = default;
  };

  Sessions(asio::io_context& io, const Log& log, const LimitsConfig& limits, UserNames& names,
           Metrics& metrics);
  // Before the first connection: who serves the requests.
  void serve(Handler& handler) { handler_ = &handler; }

  // A new connection; it is refused and closed where its user has too many.
  void admit(os::Fd socket);
  Session* find(core::SessionId id);
  std::size_t count() const { return sessions_.size(); }
  Metrics& metrics() { return metrics_; }
  // The user's name, where the system knows one and it has been looked up.
  std::optional<std::string> user_name(uid_t uid) const { return names_.name(uid); }

  template <class Params>
  void notify_all(std::string_view method, const Params& params) {
    for (const auto& [id, session] : sessions_)
      session->notify([&](std::string& out) { wire::append_notification(out, method, params); });
  }
  bool has_output() const;
  void end_all(const std::string& reason);

 private:
  void on_request(Session& session, core::RequestId request, const wire::Frame& frame) override;
  void on_notification(Session& session, const wire::Frame& frame) override;
  void on_session_end(Session& session, const std::string& reason) override;
  core::RequestId next_request_id() override { return {++last_request_}; }

  asio::io_context& io_;
  const Log& log_;
  const LimitsConfig& limits_;
  Handler* handler_ = nullptr;
  std::unordered_map<core::SessionId, std::unique_ptr<Session>> sessions_;
  std::unordered_map<uid_t, std::uint32_t> connections_;
  UserNames& names_;
  Metrics& metrics_;
  std::uint64_t last_session_ = 0;
  std::uint64_t last_request_ = 0;
};

}  // namespace gpumodel::broker

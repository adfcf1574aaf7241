#include "broker/sessions.hpp"

#include <fmt/format.h>

#include <system_error>

#include "broker/listener.hpp"
#include "broker/log_messages.hpp"

namespace gpumodel::broker {
namespace {

wire::Error refusal_of(const std::system_error& error) {
  if (error.code() == std::errc::too_many_files_open ||
      error.code() == std::errc::too_many_files_open_in_system)
    return wire::Error(wire::Code::quota,
                       "the daemon has no room for another connection now; try again later");
  return wire::Error(wire::Code::denied,
                     "the kernel does not say who connects; connect from a running process");
}

}  // namespace

Sessions::Sessions(asio::io_context& io, const Log& log, const LimitsConfig& limits,
                   UserNames& names, Metrics& metrics)
    : io_(io), log_(log), limits_(limits), names_(names), metrics_(metrics) {}

void Sessions::admit(os::Fd socket) {
  Peer peer;
  try {
    peer = read_peer(socket.get());
  } catch (const std::system_error& error) {
    metrics_.turned_away();
    log_.warning(messages::kConnectionRefused, {{"REASON", error.what()}});
    return refuse_connection(socket.get(), refusal_of(error));
  }
  const auto count = connections_.find(peer.uid);
  if ((count != connections_.end() ? count->second : 0) >= limits_.connections) {
    metrics_.turned_away();
    refuse_connection(socket.get(),
                      wire::Error(wire::Code::quota,
                                  fmt::format("user {} has {} connections, which is the limit; "
                                              "close one first",
                                              peer.uid, limits_.connections)));
    return;
  }
  metrics_.connected();
  names_.learn(peer.uid);
  const core::SessionId id{++last_session_};
  const uid_t uid = peer.uid;
  auto session =
      std::make_unique<Session>(io_, id, std::move(peer), std::move(socket), limits_.in_flight,
                                metrics_, static_cast<Session::Handler&>(*this));
  Session& opened = *sessions_.emplace(id, std::move(session)).first->second;
  ++connections_[uid];
  handler_->on_session_open(opened);
  opened.start();
}

Session* Sessions::find(core::SessionId id) {
  const auto found = sessions_.find(id);
  return found != sessions_.end() ? found->second.get() : nullptr;
}

bool Sessions::has_output() const {
  for (const auto& [id, session] : sessions_)
    if (session->unread_bytes() != 0) return true;
  return false;
}

void Sessions::end_all(const std::string& reason) {
  for (const auto& [id, session] : sessions_) session->end(reason);
}

void Sessions::on_request(Session& session, core::RequestId request, const wire::Frame& frame) {
  handler_->on_request(session, request, frame);
}

void Sessions::on_notification(Session& session, const wire::Frame& frame) {
  handler_->on_notification(session, frame);
}

void Sessions::on_session_end(Session& session, const std::string& reason) {
  log_.debug(messages::kConnectionEnded,
             {{"SESSION", std::to_string(session.id().value)}, {"REASON", reason}});
  metrics_.abandoned(session.open_requests().size());
  handler_->on_session_close(session);
  const auto count = connections_.find(session.peer().uid);
  if (--count->second == 0) connections_.erase(count);
  sessions_.erase(session.id());
}

}  // namespace gpumodel::broker

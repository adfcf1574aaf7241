// The one way to answer a request, now or later: whoever serves it holds a Reply and uses it once.
#pragma once

#include <string>

#include "broker/call_json.hpp"
#include "broker/sessions.hpp"
#include "wire/messages.hpp"

namespace gpumodel::broker {

class Reply {
 public:
  // `method`: its row in Metrics::methods().
  Reply(Sessions& sessions, core::SessionId session, std::uint32_t id, std::size_t method)
      : sessions_(&sessions), session_(session), id_(id), method_(method) {}

  core::SessionId session() const { return session_; }
  std::uint32_t id() const { return id_; }
  // The same request, for what it carries in JSON: `method`'s result goes out as text.
  Reply as_json(std::size_t method) const {
    Reply reply = *this;
    reply.method_ = method;
    reply.json_ = true;
    return reply;
  }

  // Nothing happens where the client is gone.
  template <class Result>
  void ok(const Result& result) const {
    Session* session = sessions_->find(session_);
    if (session == nullptr) return;
    sessions_->metrics().answered(method_);
    if (json_) {
      session->respond(id_, wire::CallJsonResult{msgpack_to_json(wire::encode(result))});
    } else {
      session->respond(id_, result);
    }
  }
  void fail(const wire::Error& error) const {
    Session* session = sessions_->find(session_);
    if (session == nullptr) return;
    sessions_->metrics().failed(method_, error.code);
    session->fail(id_, error);
  }
  // A notification that belongs to the request; false where the client does not read them fast
  // enough.
  template <class Append>
  bool notify(Append append) const {
    Session* session = sessions_->find(session_);
    return session == nullptr || session->notify(append);
  }

 private:
  Sessions* sessions_;
  core::SessionId session_;
  std::uint32_t id_;
  std::size_t method_;
  bool json_ = false;
};

}  // namespace gpumodel::broker

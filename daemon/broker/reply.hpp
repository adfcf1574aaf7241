// The one way to answer a request, now or later: whoever serves it holds a Reply and uses it once.
#pragma once

#include <string>

#include "broker/call_json.hpp"
#include "broker/sessions.hpp"
#include "wire/messages.hpp"

namespace gpumodel::broker {

class Reply {
 public:
  Reply(Sessions& sessions, core::SessionId session, std::uint32_t id)
      : sessions_(&sessions), session_(session), id_(id) {}

  core::SessionId session() const { return session_; }
  std::uint32_t id() const { return id_; }
  // The same request, whose result goes out as JSON text.
  Reply as_json() const {
    Reply reply = *this;
    reply.json_ = true;
    return reply;
  }

  // Nothing happens where the client is gone.
  template <class Result>
  void ok(const Result& result) const {
    Session* session = sessions_->find(session_);
    if (session == nullptr) return;
    if (json_) {
      session->respond(id_, wire::CallJsonResult{msgpack_to_json(wire::encode(result))});
    } else {
      session->respond(id_, result);
    }
  }
  void fail(const wire::Error& error) const {
    if (Session* session = sessions_->find(session_)) session->fail(id_, error);
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
  bool json_ = false;
};

}  // namespace gpumodel::broker

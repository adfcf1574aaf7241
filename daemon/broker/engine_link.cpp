#include "broker/engine_link.hpp"

#include <fmt/format.h>

#include "wire/messages.hpp"

namespace gpumodel::broker {
namespace {

using std::chrono::milliseconds;
// An engine that was hung up on frees its memory, and then exits.
constexpr milliseconds kExitGrace{10'000};
// Between the end of its socket and the end of its process, or the other way round.
constexpr milliseconds kEndGrace{1'000};
// What an engine leaves unread. More than its clients may have open: it hangs.
constexpr std::size_t kMostUnreadBytes = 256u << 20;

}  // namespace

EngineLink::EngineLink(asio::io_context& io, const std::string& program,
                       std::vector<std::string> arguments, Handler& handler)
    : handler_(handler), grace_(io) {
  os::Fd socket;
  process_ = std::make_unique<ChildProcess>(io, program, std::move(arguments), socket,
                                            [this](std::string how) { on_exit(std::move(how)); });
  stream_ = std::make_unique<FrameStream>(io, std::move(socket),
                                          static_cast<FrameStream::Handler&>(*this));
  stream_->start();
}

void EngineLink::cancel(std::uint32_t id) {
  if (!owed_.contains(id)) return;
  wire::append_notification(stream_->output(), "cancel", wire::CancelParams{id});
  sent();
}

void EngineLink::sent() {
  stream_->flush();
  if (stream_->queued_bytes() > kMostUnreadBytes) kill("it does not read what it is sent");
}

void EngineLink::hang_up() {
  stream_->close();
  stream_ended_ = true;
  kill_after(kExitGrace);
}

void EngineLink::kill(const std::string& why) {
  if (why_.empty()) why_ = why;
  process_->kill();
}

void EngineLink::kill_after(milliseconds grace) {
  grace_.expires_after(grace);
  grace_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
    if (!error) kill("it did not exit");
  }));
}

void EngineLink::on_frame(wire::Frame frame) {
  try {
    if (frame.kind == wire::Frame::Kind::response) return on_response(frame);
    if (frame.kind == wire::Frame::Kind::request) return kill("it sent a request");
    if (const msgpack::object* request = wire::find(frame.params, "request")) {
      std::uint32_t id = 0;
      wire::read(*request, "request", id);
      const auto owed = owed_.find(id);
      if (owed != owed_.end() && owed->second.on_chunk) owed->second.on_chunk(frame.params);
      return;
    }
    handler_.on_engine_notification(frame.method, frame.params);
  } catch (const wire::Error& error) {
    kill(fmt::format("it sent a wrong message: {}", error.message));
  }
}

void EngineLink::on_response(const wire::Frame& frame) {
  const auto owed = owed_.find(frame.id);
  if (owed == owed_.end()) return kill("it answered what it was not asked");
  const OnAnswer on_answer = std::move(owed->second.on_answer);
  owed_.erase(owed);
  EngineAnswer answer;
  if (frame.error.type != msgpack::type::NIL) {
    answer.error = wire::decode_error(frame.error);
  } else {
    answer.result = &frame.result;
  }
  on_answer(answer);
}

void EngineLink::on_end(FrameStream::End end, const std::string& reason) {
  stream_ended_ = true;
  if (end == FrameStream::End::malformed) kill(fmt::format("it broke the framing: {}", reason));
  finish();
}

void EngineLink::on_exit(std::string how) {
  exit_ = why_.empty() ? std::move(how) : fmt::format("{}; {}", why_, how);
  finish();
}

// Whichever ends first waits for the other: what a dying engine still said is read, and how it
// ended is known.
void EngineLink::finish() {
  if (!exit_) return kill_after(kEndGrace);
  if (!stream_ended_) {
    grace_.expires_after(kEndGrace);
    grace_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
      if (error || stream_ended_) return;
      stream_ended_ = true;
      stream_->close();
      finish();
    }));
    return;
  }
  grace_.cancel();
  is_over_ = true;
  const auto alive = alive_.watch();
  const auto owed = std::move(owed_);
  owed_.clear();
  EngineAnswer lost;
  lost.error.emplace(wire::Code::engine_lost,
                     "the engine ended before it answered; send the request again");
  for (const auto& [id, request] : owed) request.on_answer(lost);
  if (alive.expired()) return;
  const std::string how = *std::move(exit_);  // the handler may destroy this
  handler_.on_engine_end(how);
}

}  // namespace gpumodel::broker

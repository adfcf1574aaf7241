// A running engine or probe: its process, the frames between us, and the requests it still owes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "broker/child_process.hpp"
#include "broker/frame_stream.hpp"
#include "wire/codec.hpp"

namespace gpumodel::broker {

// An engine's answer; `result` lives as long as the call it is handed to.
struct EngineAnswer {
  std::optional<wire::Error> error;
  const msgpack::object* result = nullptr;  // where there is no error
};

class EngineLink final : private FrameStream::Handler {
 public:
  using OnAnswer = std::function<void(const EngineAnswer&)>;
  using OnChunk = std::function<void(const msgpack::object& params)>;
  class Handler {
   public:
    // A notification that names no request of ours ("load.progress").
    virtual void on_engine_notification(const std::string& method,
                                        const msgpack::object& params) = 0;
    // The process has ended, every request owed was answered with `engine_lost`. May destroy the
    // link.
    virtual void on_engine_end(const std::string& how) = 0;

   protected:
    ~Handler() = default;
  };

  // Throws std::system_error where no process can be started.
  EngineLink(asio::io_context& io, const std::string& program, std::vector<std::string> arguments,
             Handler& handler);

  pid_t pid() const { return process_->pid(); }
  // It has ended, and what it owes is being answered: ask nothing more.
  bool is_over() const { return is_over_; }

  // Sends a request; the answer comes from the loop, never from within this call, and is
  // `engine_lost` where the engine dies first. `fd`, where there is one, travels with the request.
  // Returns the request's id, for cancel.
  template <class Params>
  std::uint32_t request(std::string_view method, const Params& params, OnAnswer on_answer,
                        OnChunk on_chunk = {}, os::Fd fd = {}) {
    const std::uint32_t id = next_id_++;
    owed_.emplace(id, Owed{std::move(on_answer), std::move(on_chunk)});
    if (fd) stream_->attach(std::move(fd));
    wire::append_request(stream_->output(), id, method, params);
    sent();
    return id;
  }
  void cancel(std::uint32_t id);

  // Closes our end, at which an engine exits by itself; it is killed if it does not.
  void hang_up();
  // Ends it now; `why` goes before how it ended.
  void kill(const std::string& why);

 private:
  struct Owed {
    OnAnswer on_answer;
    OnChunk on_chunk;
  };

  void on_frame(wire::Frame frame) override;
  void on_end(FrameStream::End end, const std::string& reason) override;
  void on_response(const wire::Frame& frame);
  void on_exit(std::string how);
  void sent();
  void kill_after(std::chrono::milliseconds grace);
  void finish();

  Handler& handler_;
  std::unique_ptr<ChildProcess> process_;
  std::unique_ptr<FrameStream> stream_;
  asio::steady_timer grace_;
  std::unordered_map<std::uint32_t, Owed> owed_;
  std::uint32_t next_id_ = 1;
  bool stream_ended_ = false;
  bool is_over_ = false;
  std::string why_;                  // we killed it
  std::optional<std::string> exit_;  // how the process ended
  Alive alive_;
};

}  // namespace gpumodel::broker

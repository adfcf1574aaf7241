#include "engine/server/probe_server.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "engine/io/printable.hpp"
#include "engine/memory/machine.hpp"
#include "engine/model/source.hpp"
#include "engine/server/dtype_check.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::engine::server {
namespace {

using wire::Code;
using wire::Error;

constexpr unsigned kWorkers = 4;
constexpr std::uint64_t kCachedFileBytes = 64u << 20;
constexpr std::size_t kMostHolders = 8;

wire::DevicesResult devices() {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
  return {{{"cpu", "cpu", pages * page_bytes}}};
}

// A process names itself, in any bytes, and the kernel cuts names anywhere: what is not UTF-8 would
// break the message.
std::string shown(const std::string& name) {
  std::string text = io::printable(name);
  if (wire::is_valid_utf8(text)) return text;
  for (char& c : text)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return text;
}

// By NSS, which may ask a directory server: this is why it is asked here and not in the broker. The
// number where there is no name.
std::string user_name(std::uint32_t uid) {
  std::vector<char> room(16u << 10);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(uid, &entry, room.data(), room.size(), &found);
  return found != nullptr ? shown(found->pw_name) : std::to_string(uid);
}

wire::MemoryResult memory(const wire::MemoryParams& params) {
  if (params.device.kind != "cpu")
    throw Error(Code::unsupported, "this probe reads the memory of devices of kind cpu only");
  std::vector<std::int64_t> ours = params.pids;
  ours.push_back(::getpid());
  auto machine = memory::read_machine_memory("/proc", ours, kMostHolders);
  // Images that no process maps are in nobody's resident set.
  machine.ours_bytes += std::min(params.image_bytes, machine.total_bytes);
  wire::MemoryResult result{.total_bytes = machine.total_bytes,
                            .available_bytes = machine.available_bytes,
                            .foreign_bytes = machine.foreign_bytes(params.capacity_bytes),
                            .holders = {}};
  for (const memory::MemoryHolder& holder : machine.holders)
    result.holders.push_back({holder.pid, holder.uid, user_name(holder.uid), shown(holder.command),
                              holder.resident_bytes});
  return result;
}

wire::InspectResult inspect(const wire::InspectParams& params) {
  check_dtype(params.dtype);
  return model::inspect(params.path, params.dtype, params.adapter_path);
}

}  // namespace

ProbeServer::ProbeServer(Channel& channel)
    : channel_(channel), texts_(kCachedFileBytes), workers_(kWorkers) {}

void ProbeServer::serve() {
  const auto handler = [this](const wire::Frame& frame, const os::Fd&) { on_frame(frame); };
  while (channel_.serve_once(Channel::kForever, handler)) {
  }
}

void ProbeServer::on_frame(const wire::Frame& frame) {
  if (frame.kind != wire::Frame::Kind::request) return;
  ReplyPtr reply;
  try {
    reply = std::make_shared<Reply>(channel_, requests_, frame.id);
  } catch (const Error& error) {
    // Nothing was opened: this is the one answer.
    std::string message;
    wire::append_error_response(message, frame.id, error);
    channel_.send(message);
    return;
  }
  workers_.submit(WorkerPool::Length::lengthy, [this, frame, reply] {
    try {
      answer(frame, *reply);
    } catch (...) {
      reply->fail(to_wire_error(std::current_exception()));
    }
  });
}

void ProbeServer::answer(const wire::Frame& frame, Reply& reply) {
  if (frame.method == "devices") return reply.succeed(devices());
  if (frame.method == "memory")
    return reply.succeed(memory(wire::decode<wire::MemoryParams>(frame.params)));
  if (frame.method == "inspect")
    return reply.succeed(inspect(wire::decode<wire::InspectParams>(frame.params)));
  const bool is_known =
      frame.method == "tokenize" || frame.method == "detokenize" || frame.method == "render";
  if (!is_known) throw Error(Code::unsupported, "the probe has no method " + frame.method);
  const auto model = texts_.get(wire::decode<wire::FolderTarget>(frame.params).path);
  if (frame.method == "tokenize") {
    const auto input = wire::decode<wire::TokenizeInput>(frame.params);
    reply.succeed(wire::TokensResult{model->tokenize(input.text, input.special)});
  } else if (frame.method == "detokenize") {
    const auto input = wire::decode<wire::DetokenizeInput>(frame.params);
    reply.succeed(wire::TextResult{model->detokenize(input.tokens)});
  } else {
    reply.succeed(wire::TextResult{model->render(wire::decode<wire::RenderInput>(frame.params))});
  }
}

}  // namespace gpumodel::engine::server

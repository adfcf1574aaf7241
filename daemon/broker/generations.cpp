#include "broker/generations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "wire/engine_messages.hpp"

namespace gpumodel::broker {
namespace {

using wire::Code;
using wire::Error;

// A map of the engine's as it is, but for the request it names: token arrays are copied once.
void append_chunk(std::string& out, std::uint32_t request, const msgpack::object& params) {
  wire::StringSink sink{out};
  wire::Packer packer(sink);
  packer.pack_array(3);
  packer.pack(2);
  wire::write(packer, std::string_view("generate.chunk"));
  packer.pack_array(1);
  packer.pack_map(params.via.map.size);
  for (std::uint32_t i = 0; i < params.via.map.size; ++i) {
    const msgpack::object_kv& pair = params.via.map.ptr[i];
    packer.pack(pair.key);
    const bool names_request =
        pair.key.type == msgpack::type::STR &&
        std::string_view(pair.key.via.str.ptr, pair.key.via.str.size) == "request";
    if (names_request) {
      packer.pack(request);
    } else {
      packer.pack(pair.val);
    }
  }
}

constexpr std::size_t kRememberedLosses = 256;

// Equal for requests of one user that ask one model for the same.
std::size_t fingerprint_of(core::ModelId model, const wire::EngineGenerateParams& params) {
  wire::GenerationParams asked = params.generation;
  asked.stream = false;
  asked.deadline_ms = 0;
  const std::string text = fmt::format("{}|{}|{}", model.value, params.uid, wire::encode(asked));
  return std::hash<std::string>{}(text);
}

// What a result says of how it ended; nothing, and `other`, where an engine makes no sense. Its
// texts and tokens are not looked at.
std::optional<wire::Usage> usage_of(const msgpack::object& result) {
  const bool is_map = result.type == msgpack::type::MAP;
  const msgpack::object* usage = is_map ? wire::find(result, "usage") : nullptr;
  if (usage == nullptr || usage->type != msgpack::type::MAP) return std::nullopt;
  try {
    return wire::decode<wire::Usage>(*usage);
  } catch (const Error&) {
    return std::nullopt;
  }
}

Finish finish_in(const msgpack::object& result) {
  const bool is_map = result.type == msgpack::type::MAP;
  const msgpack::object* finish = is_map ? wire::find(result, "finish") : nullptr;
  if (finish == nullptr || finish->type != msgpack::type::STR) return Finish::other;
  return finish_of({finish->via.str.ptr, finish->via.str.size});
}

// An engine's result goes out as it came.
wire::Raw raw(const msgpack::object& object) {
  wire::Raw bytes;
  wire::read(object, "result", bytes);
  return bytes;
}

}  // namespace

Generations::Generations(asio::io_context& io, Conductor& conductor, const Catalog& catalog,
                         Metrics& metrics)
    : io_(io), conductor_(conductor), catalog_(catalog), metrics_(metrics) {}

std::unordered_map<core::ModelId, Generations::Standing> Generations::standing() const {
  std::unordered_map<core::ModelId, Standing> all;
  for (const auto& [request, generation] : generations_) {
    if (!generation.model) continue;
    Standing& model = all[generation.model];
    ++(generation.engine_request ? model.running : model.waiting);
  }
  return all;
}

void Generations::count_finish(const Generation& generation, Finish finish) {
  if (generation.model) metrics_.generation_finished(generation.model, finish);
}

void Generations::count_failure(const Generation& generation, Code code) {
  if (generation.model) metrics_.generation_failed(generation.model, code);
}

void Generations::generate(core::RequestId request, std::uint32_t uid, wire::GenerateParams params,
                           Reply reply) {
  wire::check(params.generation);
  const auto model = conductor_.core().leased_model(reply.session(), {params.lease}, params.epoch);
  const bool streamed = params.generation.stream;
  Generation& generation = generations_
                               .emplace(request, Generation{reply,
                                                            uid,
                                                            {params.lease},
                                                            model.value_or(core::ModelId{}),
                                                            std::move(params.generation),
                                                            conductor_.now(),
                                                            core::Time{0},
                                                            streamed,
                                                            {},
                                                            false,
                                                            {},
                                                            0,
                                                            std::nullopt,
                                                            nullptr})
                               .first->second;
  watch_deadline(request, generation);
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.use(now, request, reply.session(), {params.lease}, params.epoch);
  });
}

// A deadline counts from arrival, also while the model has to come back first. The engine watches
// what is left of it.
void Generations::watch_deadline(core::RequestId request, Generation& generation) {
  if (generation.params.deadline_ms == 0) return;
  generation.deadline = std::make_unique<asio::steady_timer>(io_);
  generation.deadline->expires_after(std::chrono::milliseconds(generation.params.deadline_ms));
  generation.deadline->async_wait([this, request](const boost::system::error_code& error) {
    if (!error) finish_unstarted(request, "deadline");
  });
}

void Generations::usable(const core::Usable& usable) {
  const auto found = generations_.find(usable.request);
  if (found == generations_.end()) return;
  Generation& generation = found->second;
  lease_tokens_.open(generation.lease);
  generation.deadline.reset();
  wire::EngineGenerateParams params;
  params.weights = usable.lease.resident.value;
  if (usable.lease.adapter) params.adapter = usable.lease.adapter.value;
  params.uid = generation.uid;
  params.lease = generation.lease.value;
  params.speculate = catalog_.at(usable.lease.model).config.speculation;
  params.context_tokens = usable.lease.context_tokens;
  params.generation = std::move(generation.params);
  generation.waited = conductor_.now() - generation.arrived;
  if (params.generation.deadline_ms != 0) {
    const auto waited = static_cast<std::uint64_t>(generation.waited.count());
    if (waited >= params.generation.deadline_ms)
      return finish_unstarted(usable.request, "deadline");
    params.generation.deadline_ms -= waited;
  }
  generation.device = usable.lease.device;
  generation.fingerprint = fingerprint_of(usable.lease.model, params);
  const core::RequestId request = usable.request;
  generation.engine_request =
      conductor_.engine(generation.device)
          .generate(
              params, [this, request](const EngineAnswer& answer) { on_answer(request, answer); },
              [this, request](const msgpack::object& chunk) { on_chunk(request, chunk); });
  if (generation.engine_request) return;
  const Reply reply = generation.reply;
  count_failure(generation, Code::engine_lost);
  end(request);
  reply.fail(Error(Code::engine_lost, "the engine has just ended; send the request again"));
}

bool Generations::refused(const core::Refused& refused, const Error& error) {
  const auto found = generations_.find(refused.request);
  if (found == generations_.end()) return false;
  const Reply reply = found->second.reply;
  const bool answered = found->second.answered;
  if (!answered) count_failure(found->second, error.code);
  generations_.erase(found);
  if (!answered) reply.fail(error);
  return true;
}

void Generations::on_chunk(core::RequestId request, const msgpack::object& params) {
  const auto found = generations_.find(request);
  if (found == generations_.end() || found->second.answered) return;
  Generation& generation = found->second;
  generation.progress.count(params, conductor_.now());
  const std::uint32_t id = generation.reply.id();
  if (generation.reply.notify([&](std::string& out) { append_chunk(out, id, params); })) return;
  generation.answered = true;
  count_failure(generation, Code::overrun);
  stop_engine(generation);
  generation.reply.fail(Error(Code::overrun,
                              "the stream was read too slowly and has ended; read faster, or ask "
                              "without stream"));
}

void Generations::on_answer(core::RequestId request, const EngineAnswer& answer) {
  const auto found = generations_.find(request);
  if (found == generations_.end()) return;
  const Reply reply = found->second.reply;
  const bool answered = found->second.answered;
  lease_tokens_.add(found->second.lease, answer.error ? found->second.progress.output_tokens
                                                      : output_tokens_of(*answer.result));
  std::optional<Error> error = answer.error;
  if (error && error->code == Code::engine_lost) error = lost(found->second);
  count(found->second, answer);
  end(request);
  if (answered) return;
  if (error) {
    reply.fail(*error);
  } else {
    reply.ok(raw(*answer.result));
  }
}

void Generations::count(const Generation& generation, const EngineAnswer& answer) {
  if (answer.result != nullptr) {
    if (const auto usage = usage_of(*answer.result); usage && generation.model)
      metrics_.generation_used(generation.model, *usage, generation.waited);
  }
  if (generation.answered) return;
  if (answer.error) {
    count_failure(generation, answer.error->code);
  } else {
    count_finish(generation, finish_in(*answer.result));
  }
}

Error Generations::lost(const Generation& generation) {
  Error error(Code::engine_lost, "the engine ended before it answered; send the request again");
  if (std::find(lost_.begin(), lost_.end(), generation.fingerprint) != lost_.end()) {
    error.message = "the engine ended under this request for the second time; do not send it again";
    error.retryable = false;
  }
  lost_.push_back(generation.fingerprint);
  if (lost_.size() > kRememberedLosses) lost_.pop_front();
  return error;
}

bool Generations::cancel(core::RequestId request) {
  const auto found = generations_.find(request);
  if (found == generations_.end()) return false;
  if (found->second.engine_request) {
    stop_engine(found->second);
  } else {
    finish_unstarted(request, "cancelled");
  }
  return true;
}

void Generations::forget(core::RequestId request) {
  const auto found = generations_.find(request);
  if (found == generations_.end()) return;
  if (!found->second.answered) count_finish(found->second, Finish::disconnected);
  if (!found->second.engine_request) return end(request);
  found->second.answered = true;
  stop_engine(found->second);
}

void Generations::cancel_all_of(core::LeaseId lease) {
  std::vector<core::RequestId> requests;
  for (const auto& [request, generation] : generations_)
    if (generation.lease == lease) requests.push_back(request);
  for (const core::RequestId request : requests) cancel(request);
  lease_tokens_.forget(lease);
}

std::vector<Generations::Row> Generations::rows() const {
  std::vector<core::RequestId> requests;
  for (const auto& [request, generation] : generations_)
    if (!generation.answered) requests.push_back(request);
  std::sort(requests.begin(), requests.end());
  std::vector<Row> rows;
  for (const core::RequestId request : requests) {
    const Generation& generation = generations_.at(request);
    rows.push_back({generation.lease, generation.engine_request.has_value(), generation.arrived,
                    generation.streamed, generation.progress});
  }
  return rows;
}

std::uint64_t Generations::output_tokens(core::LeaseId lease) const {
  std::uint64_t tokens = lease_tokens_.of(lease);
  for (const auto& [request, generation] : generations_)
    if (generation.lease == lease) tokens += generation.progress.output_tokens;
  return tokens;
}

void Generations::cancel_all() {
  std::vector<core::RequestId> requests;
  for (const auto& [request, generation] : generations_) requests.push_back(request);
  for (const core::RequestId request : requests) cancel(request);
}

void Generations::finish_unstarted(core::RequestId request, const char* finish) {
  const auto found = generations_.find(request);
  if (found == generations_.end()) return;
  const Reply reply = found->second.reply;
  const auto waited = conductor_.now() - found->second.arrived;
  count_finish(found->second, finish_of(finish));
  wire::GenerateResult result;
  result.finish = finish;
  result.usage.queue_us = result.usage.total_us = static_cast<std::uint64_t>(waited.count()) * 1000;
  if (!found->second.params.stream) {
    result.text.emplace();
    result.tokens.emplace();
  }
  end(request);
  reply.ok(result);
}

void Generations::stop_engine(const Generation& generation) {
  if (generation.engine_request)
    conductor_.engine(generation.device).cancel(*generation.engine_request);
}

void Generations::end(core::RequestId request) {
  generations_.erase(request);
  conductor_.decide([&](core::Core& core, core::Time now) { return core.use_ended(now, request); });
}

}  // namespace gpumodel::broker

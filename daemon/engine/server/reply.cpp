#include "engine/server/reply.hpp"

#include <new>

#include "engine/io/bad_model.hpp"
#include "engine/memory/budget.hpp"
#include "engine/model/loader.hpp"

namespace gpumodel::engine::server {

using wire::Code;
using wire::Error;

std::stop_token RequestTable::open(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  if (open_.size() >= kMaxOpen)
    throw Error(Code::quota, "the engine has " + std::to_string(kMaxOpen) + " open requests");
  const auto [entry, is_new] = open_.try_emplace(id);
  if (!is_new) throw Error(Code::invalid, "request " + std::to_string(id) + " is open already");
  return entry->second.get_token();
}

void RequestTable::close(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  open_.erase(id);
}

bool RequestTable::request_stop(std::uint32_t id) {
  std::stop_source source(std::nostopstate);
  {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(id);
    if (found == open_.end()) return false;
    source = found->second;
  }
  source.request_stop();
  return true;
}

void RequestTable::stop_all() {
  std::map<std::uint32_t, std::stop_source> open;
  {
    const std::lock_guard lock(mutex_);
    open = open_;
  }
  for (auto& [id, source] : open) source.request_stop();
}

Reply::Reply(Channel& channel, RequestTable& table, std::uint32_t id)
    : channel_(channel), table_(table), id_(id), stop_(table.open(id)) {}

Reply::~Reply() {
  if (!answered_) fail(Error(Code::internal, "the request was dropped"));
}

void Reply::fail(const Error& error) {
  std::string message;
  wire::append_error_response(message, id_, error);
  send(message);
}

void Reply::send(const std::string& message) {
  answered_ = true;
  table_.close(id_);
  channel_.send(message);
}

Error to_wire_error(std::exception_ptr exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return error;
  } catch (const BadModel& error) {
    return Error(Code::model_bad, error.what());
  } catch (const memory::OutOfMemory& error) {
    return Error(Code::nomem, error.what());
  } catch (const std::bad_alloc&) {
    return Error(Code::nomem, "the engine is out of memory");
  } catch (const model::LoadInterrupted& error) {
    return Error(Code::interrupted, error.what());
  } catch (const std::exception& error) {
    return Error(Code::internal, error.what());
  } catch (...) {
    return Error(Code::internal, "an unknown exception");
  }
}

}  // namespace gpumodel::engine::server

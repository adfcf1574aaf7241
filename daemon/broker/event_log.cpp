#include "broker/event_log.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "broker/words.hpp"

namespace gpumodel::broker {
namespace {

std::int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

EventLog::EventLog(const Catalog& catalog, Conductor& conductor, Sessions& sessions)
    : catalog_(catalog), conductor_(conductor), sessions_(sessions) {}

void EventLog::add(const core::Happened& happened) {
  wire::Event event;
  event.type = word(happened.type);
  if (happened.model) event.model = catalog_.at(happened.model).config.name;
  if (happened.device) event.device = conductor_.engine(happened.device).device().name;
  if (happened.uid)
    event.user = sessions_.user_name(*happened.uid).value_or(std::to_string(*happened.uid));
  if (happened.bytes != 0) event.bytes = happened.bytes;
  if (happened.took.count() != 0) event.ms = static_cast<std::uint64_t>(happened.took.count());
  if (!happened.reason.empty()) event.reason = happened.reason;
  keep(std::move(event), happened.model);
}

void EventLog::add(const std::string& type, const std::string& reason) {
  wire::Event event;
  event.type = type;
  event.reason = reason;
  keep(std::move(event), {});
}

void EventLog::keep(wire::Event event, core::ModelId model) {
  event.seq = next_seq_++;
  event.time_ms = wall_clock_ms();
  if (model) {
    auto& decisions = decisions_[model];
    decisions.push_back({event.time_ms, event.type, event.reason.value_or("")});
    if (decisions.size() > wire::kMaxDecisions) decisions.pop_front();
  }
  tell(event);
  events_.push_back(std::move(event));
  if (events_.size() > wire::kKeptEvents) events_.pop_front();
}

void EventLog::tell(const wire::Event& event) {
  if (subscribers_.empty()) return;
  std::string message;
  wire::append_notification(message, "event", event);
  for (const core::SessionId id : subscribers_) {
    Session* session = sessions_.find(id);
    if (session != nullptr && session->unread_bytes() <= wire::kMaxUnreadEventBytes)
      session->notify([&](std::string& out) { out += message; });
  }
}

wire::EventsResult EventLog::events(const wire::EventsParams& params) const {
  if (params.limit < 1 || params.limit > wire::kMaxEvents)
    throw wire::Error(wire::Code::invalid, fmt::format("limit: from 1 to {}", wire::kMaxEvents));
  const auto newer =
      std::partition_point(events_.begin(), events_.end(),
                           [&](const wire::Event& event) { return event.seq <= params.after_seq; });
  const auto count = std::min<std::ptrdiff_t>(events_.end() - newer, params.limit);
  return {{events_.end() - count, events_.end()}, next_seq_};
}

std::vector<wire::Decision> EventLog::decisions(core::ModelId model) const {
  const auto found = decisions_.find(model);
  if (found == decisions_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::uint64_t EventLog::subscribe(core::SessionId session, bool on) {
  if (on) {
    subscribers_.insert(session);
  } else {
    subscribers_.erase(session);
  }
  return next_seq_;
}

}  // namespace gpumodel::broker

#include "broker/known_answers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "broker/log_messages.hpp"

namespace gpumodel::broker {
namespace {

// Small ids are in every vocabulary.
const std::vector<std::int32_t> kPrompt = {40, 41, 42, 43, 44, 45, 46, 47};
constexpr std::int64_t kTokens = 8;
constexpr float kDecisiveMargin = 0.5f;
// No user's: what was computed for it is shared with nobody.
constexpr std::uint32_t kNobody = 0xffff'ffff;

wire::EngineGenerateParams question(core::ResidentId resident) {
  wire::EngineGenerateParams params;
  params.weights = resident.value;
  params.uid = kNobody;
  params.generation.tokens = kPrompt;
  params.generation.max_tokens = kTokens;
  params.generation.temperature = 0.0f;
  params.generation.repetition_penalty = 1.0f;
  params.generation.ignore_eos = true;
  params.generation.logprobs = true;
  params.generation.top_logprobs = 2;
  return params;
}

std::optional<std::string> difference(const std::vector<std::int32_t>& known,
                                      const wire::GenerateResult& result) {
  const auto now = result.tokens.value_or(std::vector<std::int32_t>{});
  if (result.finish != "length" || now.size() < known.size())
    return fmt::format("its known answer ended early, with \"{}\"", result.finish);
  for (std::size_t i = 0; i < known.size(); ++i)
    if (known[i] != now[i])
      return fmt::format("its known answer is another one: token {} was {} and is {}", i + 1,
                         known[i], now[i]);
  return std::nullopt;
}

}  // namespace

std::vector<std::int32_t> decisive_tokens(const wire::GenerateResult& result) {
  const std::size_t count = result.tokens ? result.tokens->size() : 0;
  if (count == 0 || !result.top_logprobs || result.top_logprobs->size() != 2 * count)
    throw wire::Error(wire::Code::internal, "a generation without tokens and their likelihoods");
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    const float margin = (*result.top_logprobs)[2 * i] - (*result.top_logprobs)[2 * i + 1];
    if (margin < kDecisiveMargin) break;
    tokens.push_back((*result.tokens)[i]);
  }
  return tokens;
}

KnownAnswers::Device& KnownAnswers::device(core::DeviceId id) {
  Device& device = devices_[id];
  if (!device.quiet) device.quiet = std::make_unique<asio::steady_timer>(io_);
  return device;
}

void KnownAnswers::loaded(core::DeviceId id, core::ResidentId resident, core::WeightsId weights) {
  device(id).ready[resident] = weights;
  if (!answers_.contains(weights)) record_soon(id);
}

void KnownAnswers::unloading(core::DeviceId id, core::ResidentId resident) {
  device(id).ready.erase(resident);
}

void KnownAnswers::lost(core::DeviceId id) {
  Device& lost = device(id);
  lost.quiet->cancel();
  lost.ready.clear();
  lost.recording.reset();
  for (const auto& [weights, answer] : answers_) lost.to_check.insert(weights);
}

void KnownAnswers::busy(core::DeviceId id) {
  Device& busy = device(id);
  if (busy.recording) engine_(id).cancel(*busy.recording);
}

void KnownAnswers::idle(core::DeviceId id) { record_soon(id); }

void KnownAnswers::record_soon(core::DeviceId id) {
  Device& idle = device(id);
  const bool wanted = std::any_of(idle.ready.begin(), idle.ready.end(), [&](const auto& entry) {
    return !answers_.contains(entry.second);
  });
  if (!wanted || idle.recording) return;
  idle.quiet->expires_after(kIdleBefore);
  idle.quiet->async_wait(alive_.guard([this, id](const boost::system::error_code& error) {
    if (!error) record(id);
  }));
}

void KnownAnswers::record(core::DeviceId id) {
  Device& idle = device(id);
  Engine& engine = engine_(id);
  if (idle.recording || engine.is_busy()) return;  // asked again when it is idle
  for (const auto& [resident, weights] : idle.ready) {
    if (answers_.contains(weights)) continue;
    idle.recording = engine.generate_aside(
        question(resident), [this, id, weights = weights](const EngineAnswer& answer) {
          on_recorded(id, weights, answer);
        });
    return;
  }
}

void KnownAnswers::on_recorded(core::DeviceId id, core::WeightsId weights,
                               const EngineAnswer& answer) {
  device(id).recording.reset();
  if (answer.error) return;
  const auto result = wire::decode<wire::GenerateResult>(*answer.result);
  if (result.finish == "length" && answers_.try_emplace(weights, decisive_tokens(result)).second)
    log_.debug(messages::kKnownAnswerRecorded, {{"WEIGHTS", std::to_string(weights.value)}});
  if (!engine_(id).is_busy()) record_soon(id);
}

bool KnownAnswers::must_check(core::DeviceId id, core::WeightsId weights) const {
  const auto found = devices_.find(id);
  return found != devices_.end() && found->second.to_check.contains(weights);
}

void KnownAnswers::check(core::DeviceId id, core::ResidentId resident, core::WeightsId weights,
                         OnChecked on_checked) {
  const auto limit = std::make_shared<asio::steady_timer>(io_);
  const auto on_answer = [this, id, weights, limit, on_checked](const EngineAnswer& answer) {
    limit->cancel();
    if (answer.error && answer.error->code == wire::Code::engine_lost) return;
    if (answer.error) return on_checked("its known answer failed: " + answer.error->message);
    const auto wrong =
        difference(answers_.at(weights), wire::decode<wire::GenerateResult>(*answer.result));
    if (!wrong) {
      device(id).to_check.erase(weights);
      log_.info(messages::kKnownAnswerRight, {{"DEVICE", engine_(id).device().name}});
    }
    on_checked(wrong);
  };
  if (!engine_(id).generate_aside(question(resident), on_answer)) return;
  limit->expires_after(kCheckWithin);
  limit->async_wait(alive_.guard([this, id](const boost::system::error_code& error) {
    if (!error) engine_(id).kill("its known answer did not come in time");
  }));
}

}  // namespace gpumodel::broker

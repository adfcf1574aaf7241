#include "simulation.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <random>

#include "world.hpp"

namespace gpumodel::test {
namespace {

using namespace gpumodel::core;
using Kind = Operation::Kind;

constexpr Bytes kMiB = Bytes{1} << 20;
constexpr std::size_t kMaxSessions = 12;
constexpr std::array kNames{"open",          "close",  "acquire", "cancel",    "release",
                            "release_stale", "use",    "end_use", "answer",    "lose",
                            "progress",      "late",   "advance", "set_model", "remove_model",
                            "prefetch",      "unload", "pin",     "yield",     "unyield",
                            "revoke",        "drain",  "foreign", "pressure",  "lose_image"};
// How often each kind occurs, in the order of the kinds.
constexpr std::array kWeights{6, 2, 24, 3, 16, 1, 10, 8, 60, 2, 3, 2, 14,
                              2, 1, 4,  1, 2,  1, 1,  1, 1,  3, 1, 1};

std::vector<std::string> lines(const Snapshot& state) {
  std::vector<std::string> all;
  const auto number = [](auto value) { return std::to_string(value); };
  for (const DeviceRow& row : state.devices) {
    all.push_back("device " + number(row.device.value) + ": engine " +
                  number(static_cast<int>(row.engine)) + ", used " + number(row.used_bytes) +
                  ", free " + number(row.free_bytes));
  }
  for (const ModelRow& row : state.models) {
    all.push_back("model " + number(row.model.value) + ": state " +
                  number(static_cast<int>(row.state)) + ", on " +
                  number(row.device.value_or(DeviceId{}).value) + ", bytes " +
                  number(row.device_bytes) + ", leases " + number(row.leases) + ", waiting " +
                  number(row.waiting) + " " + row.error);
  }
  for (const QueueRow& row : state.queue) {
    std::string line = "request " + number(row.request.value) + " at " + number(row.position) +
                       ": " + row.reason + ":";
    for (const ModelId model : row.models) line += " " + number(model.value);
    all.push_back(std::move(line));
  }
  return all;
}

class Run {
 public:
  explicit Run(std::uint64_t seed) : random_(seed), world_(config()) {
    world_.read_by_hand();
    const std::size_t devices = pick(3) == 0 ? 2 + pick(2) : 1;
    for (std::size_t i = 0; i < devices; ++i) {
      devices_.push_back(world_.device((300 + 100 * pick(8)) * kMiB, 50 * kMiB));
    }
    const std::size_t models = 3 + pick(6);
    for (std::size_t i = 0; i < models; ++i) add_model();
  }

  void apply(const Operation& op) {
    switch (op.kind) {
      case Kind::open:
        if (world_.sessions().size() < kMaxSessions) world_.session(op.a % 3);
        return;
      case Kind::close:
        if (const auto session = pick_session(op.a)) world_.close(*session);
        return;
      case Kind::acquire:
        return acquire(op);
      case Kind::cancel:
        if (!world_.requests().empty()) world_.cancel(nth(world_.requests(), op.a)->first);
        return;
      case Kind::release:
        if (!world_.leases().empty()) world_.release(nth(world_.leases(), op.a)->first);
        return;
      case Kind::release_stale:
        if (const auto session = pick_session(op.a)) {
          world_.release_as(*session, LeaseId{op.b % 50}, 1'000'000 + op.c);
        }
        return;
      case Kind::use:
        if (!world_.leases().empty()) world_.use(nth(world_.leases(), op.a)->first);
        return;
      case Kind::end_use:
        return end_use(op);
      case Kind::answer:
        return answer(op);
      case Kind::lose:
        return lose(op);
      case Kind::progress:
        if (!world_.residents().empty()) {
          world_.progress(nth(world_.residents(), op.a)->first,
                          static_cast<float>(op.b % 120) / 100);
        }
        return;
      case Kind::late:
        return world_.late(ResidentId{op.a % 40}, devices_[op.b % devices_.size()], op.c);
      case Kind::advance:
        return world_.advance(Time{op.a % 4 == 0 ? op.b % 5000 : op.b % 100});
      case Kind::set_model: {
        const ModelSpec& spec = specs_[op.a % specs_.size()];
        if (op.b % 2 == 0) return world_.set_model(spec);
        return world_.set_model_bad(spec.id);
      }
      case Kind::remove_model:
        return world_.remove_model(specs_[op.a % specs_.size()].id);
      default:
        return administer(op);
    }
  }

  // What administrators, other programs and the machine do.
  void administer(const Operation& op) {
    const ModelId model = specs_[op.b % specs_.size()].id;
    const DeviceId device = devices_[op.b % devices_.size()];
    switch (op.kind) {
      case Kind::prefetch:
        if (const auto session = pick_session(op.a)) world_.prefetch(*session, {model});
        return;
      case Kind::unload:
        if (!world_.sessions().empty()) world_.unload(model, op.a % 3 == 0);
        return;
      case Kind::pin:
        return world_.pin(model, op.a % 3 == 0);
      case Kind::yield:
        if (const auto session = pick_session(op.a)) yield(*session, device, op);
        return;
      case Kind::unyield:
        if (!world_.yields().empty()) world_.unyield(nth(world_.yields(), op.a)->first);
        return;
      case Kind::revoke:
        if (!world_.leases().empty()) world_.revoke(nth(world_.leases(), op.a)->first);
        return;
      case Kind::drain:
        return world_.drain_device(device, op.a % 4 == 0);
      case Kind::foreign:
        return world_.set_foreign(device, op.a % 2 == 0 ? 0 : (op.c % 500) * kMiB);
      case Kind::pressure:
        return world_.host_pressure((op.a % 400) * kMiB);
      case Kind::lose_image:
        return lose_image(op);
      default:
        return;
    }
  }

  void yield(SessionId session, DeviceId device, const Operation& op) {
    std::optional<Time> duration;
    if (op.c % 3 != 0) duration = Time{op.c % 4000};
    world_.yield(session, device, (op.c % 700) * kMiB, duration, Time{op.a % 5000});
  }

  void lose_image(const Operation& op) {
    if (world_.images().empty()) return;
    const auto& [weights, image] = *nth(world_.images(), op.a);
    if (image.complete) world_.lose_image(weights);
  }

  World& world() { return world_; }

 private:
  // Every third seed has a host cache, limits, holds.
  CoreConfig config() {
    CoreConfig config;
    config.min_residency = Time{pick(2) * 1500};
    if (pick(3) == 0) config.max_leases_per_user = 3;
    if (pick(4) == 0) config.max_hold = Time{2000};
    if (pick(2) == 0) config.host_cache_bytes = (200 + pick(600)) * kMiB;
    config.max_wait = std::chrono::seconds(20);
    config.engine_grace = std::chrono::seconds(3);
    config.residual_threshold_bytes = 8 * kMiB;
    return config;
  }

  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

  void add_model() {
    ModelSpec spec;
    const bool shared = !specs_.empty() && pick(3) == 0;
    if (shared) {
      spec = specs_[pick(static_cast<std::uint32_t>(specs_.size()))];
      spec.id = ModelId{};
      spec.name.clear();
    } else {
      spec.tensor_bytes = (20 + pick(500)) * kMiB;
      spec.workspace_bytes = pick(20) * kMiB;
      spec.kv_bytes_per_token = pick(64) << 10;
      if (devices_.size() > 1 && pick(3) == 0) spec.devices = {devices_[pick(2)]};
    }
    // Models on one weights may share an adapter, too.
    if (!shared || pick(2) == 0) spec.adapter.reset();
    if (!spec.adapter && pick(3) == 0)
      spec.adapter = AdapterSpec{WeightsId{5000 + specs_.size()}, (1 + pick(60)) * kMiB};
    spec.context_tokens = 256U << pick(4);
    spec.context_is_explicit = pick(3) == 0;
    spec.memory_cap_bytes = pick(8) == 0 ? 400 * kMiB : 0;
    spec.policy.auto_unload.kind = static_cast<AutoUnload::Kind>(pick(3));
    spec.policy.auto_unload.after = Time{100 + pick(3000)};
    spec.policy.idle_grace.reset();
    if (pick(10) != 0) spec.policy.idle_grace = Time{pick(3) * 1000};
    spec.policy.preload = pick(12) == 0;
    spec.id = world_.model(spec);
    if (!shared) spec.weights = WeightsId{1000 + spec.id.value};
    spec.name = "model" + std::to_string(spec.id.value);
    if (spec.devices.empty()) spec.devices = devices_;
    specs_.push_back(spec);
  }

  template <class Map>
  static typename Map::const_iterator nth(const Map& map, std::uint32_t index) {
    return std::next(map.begin(), static_cast<std::ptrdiff_t>(index % map.size()));
  }

  std::optional<SessionId> pick_session(std::uint32_t index) const {
    if (world_.sessions().empty()) return std::nullopt;
    return nth(world_.sessions(), index)->first;
  }

  void acquire(const Operation& op) {
    const auto session = pick_session(op.a);
    if (!session) return;
    std::vector<ModelId> models{specs_[op.b % specs_.size()].id};
    if (op.b % 7 == 0) models.push_back(specs_[op.c % specs_.size()].id);
    if (op.b % 21 == 0) models.push_back(specs_[(op.b ^ op.c) % specs_.size()].id);
    static constexpr std::array<int, 6> kWaits{0, 40, 1000, 8000, -1, -1};
    const int wait = kWaits[op.c % kWaits.size()];
    World::Wish wish;
    if (wait >= 0) wish.wait = Time{wait};
    wish.context_tokens = op.c % 5 == 0 ? 100 : 0;
    wish.only_if_ready = op.c % 17 == 0;
    wish.wait_foreign = op.c % 9 == 0;
    world_.acquire(*session, std::move(models), wish);
  }

  void end_use(const Operation& op) {
    if (op.b % 4 != 0) {
      if (!world_.uses().empty()) world_.use_ended(nth(world_.uses(), op.a)->first);
      return;
    }
    for (const auto& [id, request] : world_.requests()) {
      if (request.kind == World::Request::Kind::use) return world_.use_ended(id);
    }
  }

  void answer(const Operation& op) {
    if (world_.jobs().empty()) return;
    const std::size_t index = op.a % world_.jobs().size();
    const World::Job job = world_.jobs()[index];
    const std::uint32_t luck = op.b % 100;
    if (job.kind == World::Job::Kind::load && luck < 6) return world_.fail_load(index, luck < 2);
    if (job.kind == World::Job::Kind::load && luck < 12) {
      const Bytes surplus = luck < 8 ? (op.c % 20) * kMiB : 0;
      return world_.load_with(index, surplus, luck % 2 == 0);
    }
    if (job.kind == World::Job::Kind::read && luck < 5) return world_.fail_read(index);
    if (job.kind == World::Job::Kind::fill && luck < 20) return world_.fail_fill(index);
    if (job.kind == World::Job::Kind::unload && luck < 5) {
      return world_.unload_with_residual(index, (op.c % 40) * kMiB);
    }
    if (luck == 99 && world_.engine_alive(job.device))
      return world_.lose(job.device, Time{op.c % 500});
    world_.answer(index);
  }

  void lose(const Operation& op) {
    const DeviceId device = devices_[op.a % devices_.size()];
    if (!world_.engine_alive(device)) return;
    if (op.b % 60 == 0) return world_.lose(device, std::nullopt);
    world_.lose(device, Time{op.c % 500});
  }

  std::mt19937_64 random_;
  World world_;
  std::vector<DeviceId> devices_;
  std::vector<ModelSpec> specs_;
};

std::string words(const Operation& op) {
  return std::string(kNames[static_cast<std::size_t>(op.kind)]) + " " + std::to_string(op.a) + " " +
         std::to_string(op.b) + " " + std::to_string(op.c);
}

}  // namespace

Trace make_trace(std::uint64_t seed, std::size_t length) {
  std::mt19937_64 random(seed * 2654435761U + 1);
  std::discrete_distribution<int> kinds(kWeights.begin(), kWeights.end());
  Trace trace;
  trace.reserve(length);
  for (std::size_t i = 0; i < length; ++i) {
    const auto part = [&] { return static_cast<std::uint32_t>(random() % 10'007); };
    const auto kind = static_cast<Kind>(kinds(random));
    trace.push_back(Operation{kind, part(), part(), part()});
  }
  return trace;
}

Outcome run_trace(std::uint64_t seed, const Trace& trace, bool log) {
  Outcome outcome;
  std::optional<Run> run;
  try {
    run.emplace(seed);
    for (const Operation& op : trace) {
      if (log) outcome.log.push_back(words(op));
      run->apply(op);
    }
    if (log) {
      outcome.log.push_back("(end)");
      for (std::string& line : lines(run->world().core().snapshot(run->world().now())))
        outcome.log.push_back(std::move(line));
    }
    run->world().expect_clean_end();
  } catch (const std::exception& error) {
    outcome.violation = error.what();
    if (log && run) {
      for (std::string& line : lines(run->world().core().snapshot(run->world().now()))) {
        outcome.log.push_back(std::move(line));
      }
    }
  }
  if (run) outcome.events = run->world().events();
  return outcome;
}

Trace shrink(std::uint64_t seed, Trace trace) {
  for (std::size_t chunk = std::max<std::size_t>(1, trace.size() / 2); chunk > 0; chunk /= 2) {
    bool removed = true;
    while (removed) {
      removed = false;
      for (std::size_t at = 0; at < trace.size();) {
        Trace shorter = trace;
        const auto from = shorter.begin() + static_cast<std::ptrdiff_t>(at);
        shorter.erase(from, from + static_cast<std::ptrdiff_t>(std::min(chunk, trace.size() - at)));
        if (run_trace(seed, shorter).violation) {
          trace = std::move(shorter);
          removed = true;
        } else {
          at += chunk;
        }
      }
      if (chunk > 1) break;
    }
  }
  return trace;
}

std::string describe(std::uint64_t seed, const Trace& trace) {
  const Outcome outcome = run_trace(seed, trace, true);
  std::string text = "seed " + std::to_string(seed) + ": " +
                     outcome.violation.value_or("no violation") + "\nshrunk to " +
                     std::to_string(trace.size()) + " operations:\n";
  for (const std::string& line : outcome.log) text += "  " + line + "\n";
  return text;
}

}  // namespace gpumodel::test

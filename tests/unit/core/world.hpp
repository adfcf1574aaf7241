// A core with fake engines on simulated time. Carries out effects, keeps its own books of engines,
// memory, leases and open requests, and throws Violation where an effect breaks a rule by those
// books.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/core.hpp"

namespace gpumodel::test {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class World {
 public:
  // What an engine has been told to do and has not answered.
  struct Job {
    enum class Kind { start, stop, load, unload };
    Kind kind = Kind::start;
    core::DeviceId device;
    core::ResidentId resident;
  };
  struct Resident {
    enum class State { loading, ready, unloading };
    core::DeviceId device;
    core::WeightsId weights;
    core::Need need;
    State state = State::loading;
    bool cancelled = false;
  };
  struct Request {
    enum class Kind { acquire, release, use };
    Kind kind = Kind::acquire;
    core::SessionId session;
    std::vector<core::ModelId> models;
    core::LeaseId lease;
    std::optional<core::Time> deadline;  // while it has only been queued
    bool queued = true;
    int overtaken = 0;
  };
  struct Lease {
    core::SessionId session;
    core::GrantedLease granted;
    bool bound = true;
  };
  struct Model {
    core::ModelSpec spec;
  };

  explicit World(const core::CoreConfig& config = {});

  // ---- setting up
  core::DeviceId device(core::Bytes capacity, core::Bytes reserve = 0);
  // Fills in id and, where empty, weights of its own and all devices.
  core::ModelId model(core::ModelSpec spec);
  core::SessionId session(std::uint32_t uid = 1000);

  // ---- clients
  struct Wish {
    std::optional<core::Time> wait = std::nullopt;
    std::uint32_t context_tokens = 0;
    bool only_if_ready = false;
  };
  core::RequestId acquire(core::SessionId session, std::vector<core::ModelId> models, Wish wish);
  core::RequestId acquire(core::SessionId session, std::vector<core::ModelId> models) {
    return acquire(session, std::move(models), Wish{});
  }
  void cancel(core::RequestId request);
  core::RequestId release(core::LeaseId lease);
  core::RequestId release_as(core::SessionId session, core::LeaseId lease, std::uint64_t epoch);
  core::RequestId use(core::LeaseId lease);
  void use_ended(core::RequestId request);
  void close(core::SessionId session);

  // ---- engines
  void answer(std::size_t job);  // as asked for
  void fail_load(std::size_t job, bool model_is_bad);
  void unload_with_residual(std::size_t job, core::Bytes residual);
  void lose(core::DeviceId device, std::optional<core::Time> retry_after);
  void progress(core::ResidentId resident, float fraction);
  void late(core::ResidentId resident, core::DeviceId device, unsigned what);
  // Answers everything, in the order asked for, until nothing is left to answer.
  void settle();

  // Ticks at every time that the core asked for.
  void advance(core::Time by);

  // ---- answers; empty where there is none (of that kind) yet
  const core::Granted* granted(core::RequestId request) const;
  const core::Released* released(core::RequestId request) const;
  const core::Refused* refused(core::RequestId request) const;
  const core::Usable* usable(core::RequestId request) const;
  bool open(core::RequestId request) const { return requests_.count(request) != 0; }
  core::LeaseId lease_of(core::RequestId request, std::size_t which = 0) const;
  core::ModelRow row(core::ModelId model) const;
  core::Bytes used(core::DeviceId device) const;

  // Feeds what a scenario calls on the core itself.
  void feed(core::Effects effects);

  core::Core& core() { return core_; }
  core::Time now() const { return now_; }
  const std::vector<Job>& jobs() const { return jobs_; }
  const std::map<core::LeaseId, Lease>& leases() const { return leases_; }
  const std::map<core::RequestId, Request>& requests() const { return requests_; }
  const std::map<core::ResidentId, Resident>& residents() const { return residents_; }
  const std::map<core::RequestId, core::LeaseId>& uses() const { return uses_; }
  const std::map<core::SessionId, std::uint32_t>& sessions() const { return sessions_; }
  const std::vector<core::Progress>& told() const { return told_; }
  const core::Effects& last_effects() const { return last_; }
  std::uint64_t events() const { return events_; }
  bool engine_running(core::DeviceId device) const;
  bool engine_alive(core::DeviceId device) const;
  // Everything closed, answered and waited for: nothing may be left but what is kept on purpose,
  // and that must give way. Throws Violation.
  void expect_clean_end();

 private:
  struct Engine {
    core::Bytes budget = 0;
    enum class Phase { stopped, starting, running, stopping, failed };
    Phase phase = Phase::stopped;
    bool backoff = false;
  };

  void carry_out(const core::Effect& effect);
  void on(const core::StartEngine& effect);
  void on(const core::StopEngine& effect);
  void on(const core::Load& effect);
  void on(const core::CancelLoad& effect);
  void on(const core::Unload& effect);
  void on(const core::Granted& effect);
  void on(const core::Released& effect);
  void on(const core::Usable& effect);
  void on(const core::Refused& effect);
  void on(const core::Progress& effect);
  void on(const core::LeaseEnded& effect);
  void on(const core::WakeAt& effect);
  void on(const auto&) {}
  void check_lease(const core::GrantedLease& lease) const;
  void answered(core::RequestId request);
  void moved_on(core::RequestId request);
  void check_books();
  void check_order();
  void remember_what_comes();
  void check_loads_are_wanted() const;
  void check_progress_is_possible() const;
  void take_job(std::size_t job, Job::Kind kind);
  bool wants(const Request& request, core::WeightsId weights) const;

  core::Core core_;
  core::Time now_{0};
  core::CoreConfig config_;
  std::optional<core::Time> wake_;
  std::uint64_t last_id_ = 0;
  std::uint64_t events_ = 0;
  std::map<core::DeviceId, Engine> engines_;
  std::map<core::ModelId, Model> models_;
  std::map<core::SessionId, std::uint32_t> sessions_;
  std::map<core::ResidentId, Resident> residents_;
  std::map<core::LeaseId, Lease> leases_;
  std::map<core::RequestId, Request> requests_;
  std::map<core::RequestId, core::LeaseId> uses_;
  std::map<core::RequestId, core::Effect> answers_;
  std::vector<core::RequestId> moved_on_;    // in this event: from queued to admitted
  std::set<core::RequestId> started_fresh_;  // of these, with weights that were not coming before
  std::set<core::WeightsId> coming_;         // at the end of the last event: there, or admitted
  std::vector<core::Progress> told_;
  std::vector<Job> jobs_;
  core::Effects last_;
};

}  // namespace gpumodel::test

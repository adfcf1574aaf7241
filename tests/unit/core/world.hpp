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
inline void check(bool holds, const std::string& rule) {
  if (!holds) throw Violation(rule);
}

class World {
 public:
  // What an engine has been told to do and has not answered.
  struct Job {
    enum class Kind { start, stop, load, unload, read, fill };
    Kind kind = Kind::start;
    core::DeviceId device;
    core::ResidentId resident;
    core::WeightsId weights;
  };
  struct Resident {
    enum class State { loading, ready, unloading };
    core::DeviceId device;
    core::WeightsId weights;
    core::Need need;
    bool is_adapter = false;
    State state = State::loading;
    bool cancelled = false;
    core::HostImage image = core::HostImage::none;
    core::Time ready_since{0};
    std::set<core::SessionId> users;  // since it became ready
  };
  struct Request {
    enum class Kind { acquire, release, use, yield, other };
    Kind kind = Kind::acquire;
    core::SessionId session;
    std::vector<core::ModelId> models;
    core::LeaseId lease;
    std::optional<core::Time> deadline;  // while it has only been queued
    bool queued = true;
    int overtaken = 0;
    bool wait_foreign = false;
  };
  struct Lease {
    core::SessionId session;
    core::GrantedLease granted;
    bool bound = true;
    bool is_on(core::ResidentId resident) const {
      return bound && (granted.resident == resident || granted.adapter == resident);
    }
    core::Time idle_since{0};
    core::Time since{0};
  };
  struct Model {
    core::ModelSpec spec;
    bool pinned = false;
    bool removed = false;
    bool preloaded = false;  // once, by what its configuration was
    // Served from these weights, or with this adapter.
    bool needs(core::WeightsId part) const {
      return spec.weights == part || (spec.adapter && spec.adapter->id == part);
    }
  };
  struct Image {
    core::Bytes bytes = 0;
    bool complete = false;
    bool torn = false;  // to be dropped before the event is over
    int users = 0;
  };
  struct Yield {
    core::YieldId id;
    core::YieldRequest wish;
    std::optional<core::Time> until;
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
    bool wait_foreign = false;
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
  core::RequestId prefetch(core::SessionId session, std::vector<core::ModelId> models);

  // ---- administrators
  core::RequestId unload(core::ModelId model, bool force);
  void pin(core::ModelId model, bool on);
  core::RequestId yield(core::SessionId session, core::DeviceId device, core::Bytes bytes,
                        std::optional<core::Time> duration = std::nullopt,
                        std::optional<core::Time> wait = std::nullopt);
  void unyield(core::YieldId yield);
  void revoke(core::LeaseId lease);
  void drain_device(core::DeviceId device, bool on);
  void remove_model(core::ModelId model);
  void set_model(const core::ModelSpec& spec);
  void set_model_bad(core::ModelId model);

  // ---- memory
  // What other programs hold from now on; the core knows when it reads it.
  void set_foreign(core::DeviceId device, core::Bytes bytes) {
    engines_.at(device).foreign = bytes;
  }
  // Reads are jobs, to be answered like the others.
  void read_by_hand() { read_at_once_ = false; }
  void fail_read(std::size_t job);
  void host_pressure(core::Bytes bytes);
  void set_config(const core::CoreConfig& config);
  void lose_image(core::WeightsId weights);
  // A load that takes more than it was expected to, or that did not fill its image.
  void load_with(std::size_t job, core::Bytes surplus, bool image_complete);
  void fail_fill(std::size_t job);

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
  const core::Prefetched* prefetched(core::RequestId request) const;
  const core::Yielded* yielded(core::RequestId request) const;
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
  const std::map<core::WeightsId, Image>& images() const { return images_; }
  const std::map<core::YieldId, Yield>& yields() const { return yields_; }
  const std::vector<core::Happened>& history() const { return history_; }
  bool suspended(core::LeaseId lease) const { return !leases_.at(lease).bound; }
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
    core::Bytes capacity = 0;
    core::Bytes foreign = 0;        // now
    core::Bytes known_foreign = 0;  // as last read
    core::Bytes residual = 0;       // that unloads did not give back, until the engine has ended
    bool reading = false;
    bool fresh = false;  // read in this event
    bool draining = false;
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
  void on(const core::FillImage& effect);
  void on(const core::CancelFill& effect);
  void on(const core::DropImage& effect);
  void on(const core::ReadMemory& effect);
  void on(const core::Suspended& effect);
  void on(const core::Resumed& effect);
  void on(const core::Prefetched& effect);
  void on(const core::Yielded& effect);
  void on(const core::Happened& effect);
  void check_lease(const core::GrantedLease& lease) const;
  void answered(core::RequestId request);
  void moved_on(core::RequestId request);
  void check_books();
  void check_order();
  bool behind(core::RequestId later, const Request& earlier) const;
  void remember_what_comes();
  void end_administration();
  void check_loads_are_wanted() const;
  void check_progress_is_possible() const;
  void check_no_adapter_is_left() const;
  // By a prefetch, or to be preloaded.
  bool wanted_ahead(core::WeightsId weights) const;
  void check_head_is_served() const;
  void check_images() const;
  void check_yields() const;
  bool blocked(core::SessionId session) const;
  bool may_suspend(const Lease& lease) const;
  bool may_evict(core::ResidentId id) const;
  // Whether a model with an adapter fits on a device where its weights are, the core knows: a request
  // for one may wait for these weights or not.
  enum class Doubt { waits, does_not };
  bool past_residency(const Resident& resident, Doubt doubt) const;
  bool waits_for(core::SessionId session, core::WeightsId weights, Doubt doubt) const;
  bool pinned(const Resident& resident) const;
  // An adapter whose weights are not on its device.
  bool is_stray(const Resident& resident) const;
  bool undisturbed_memory() const;
  bool undisturbed() const { return jobs_.empty() && undisturbed_memory(); }
  core::Bytes need_at_most(core::WeightsId weights) const;
  core::RequestId open_request(Request::Kind kind, core::SessionId session);
  void unmap(Resident& resident);
  void take_job(std::size_t job, Job::Kind kind);
  bool wants(const Request& request, core::WeightsId weights) const;
  // The weights and the adapter of a model.
  std::vector<core::WeightsId> parts_of(core::ModelId model) const;

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
  std::map<core::RequestId, std::uint32_t> uid_of_;
  std::vector<core::RequestId> moved_on_;  // in this event: from queued to admitted
  // In this event: weights that were not coming before, and who waits for them now.
  std::multimap<core::WeightsId, core::RequestId> started_;
  std::set<core::WeightsId> coming_;  // at the end of the last event: there, or admitted
  std::map<core::WeightsId, Image> images_;
  std::map<core::WeightsId, core::Bytes> surplus_;
  std::map<core::YieldId, Yield> yields_;
  std::map<core::RequestId, core::YieldRequest> yield_wishes_;
  std::map<core::SessionId, std::map<core::ModelId, core::Time>> wishes_;
  std::set<core::LeaseId> lost_;     // their engine was lost in this event
  std::set<core::LeaseId> revoked_;  // by the test, in this event
  std::optional<core::ResidentId> evicting_;
  bool read_at_once_ = true;
  std::optional<core::ModelId> forced_;  // unloaded by force in this event
  std::vector<core::Happened> history_;
  std::vector<core::Progress> told_;
  std::vector<Job> jobs_;
  core::Effects last_;
};

}  // namespace gpumodel::test

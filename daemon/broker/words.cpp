#include "broker/words.hpp"

namespace gpumodel::broker {

const char* word(core::ModelState value) {
  using enum core::ModelState;
  switch (value) {
    case not_loaded:
      return "not_loaded";
    case loading:
      return "loading";
    case ready:
      return "ready";
    case suspended:
      return "suspended";
    case unloading:
      return "unloading";
    case unloaded:
      return "unloaded";
    case failed:
      return "failed";
  }
  return "";
}

const char* word(core::DeviceRow::State value) {
  using enum core::DeviceRow::State;
  switch (value) {
    case stopped:
      return "stopped";
    case starting:
      return "starting";
    case running:
      return "running";
    case backoff:
      return "backoff";
    case failed:
      return "failed";
  }
  return "";
}

const char* word(core::LeaseRow::State value) {
  using enum core::LeaseRow::State;
  switch (value) {
    case held:
      return "held";
    case suspended:
      return "suspended";
    case resuming:
      return "resuming";
  }
  return "";
}

const char* word(core::Tier value) {
  using enum core::Tier;
  switch (value) {
    case disk:
      return "disk";
    case host:
      return "host";
    case device:
      return "device";
  }
  return "";
}

const char* word(core::PlanReport::Action value) {
  using enum core::PlanReport::Action;
  switch (value) {
    case join:
      return "join";
    case wait:
      return "wait";
    case suspend:
      return "suspend";
    case evict:
      return "evict";
    case load:
      return "load";
    case load_from_host:
      return "load_from_host";
  }
  return "";
}

const char* word(core::Prefetched::Row::Action value) {
  using enum core::Prefetched::Row::Action;
  switch (value) {
    case none:
      return "none";
    case load:
      return "load";
    case host:
      return "host";
  }
  return "";
}

const char* word(core::Happened::Type value) {
  using enum core::Happened::Type;
  switch (value) {
    case queued:
      return "queued";
    case granted:
      return "granted";
    case refused:
      return "refused";
    case released:
      return "released";
    case loading:
      return "loading";
    case loaded:
      return "loaded";
    case load_failed:
      return "load_failed";
    case evicting:
      return "evicting";
    case suspended:
      return "suspended";
    case resumed:
      return "resumed";
    case unloading:
      return "unloading";
    case unloaded:
      return "unloaded";
    case residual:
      return "residual";
    case engine_started:
      return "engine_started";
    case engine_lost:
      return "engine_lost";
    case device_failed:
      return "device_failed";
    case foreign:
      return "foreign";
    case image_filled:
      return "image_filled";
    case image_dropped:
      return "image_dropped";
    case pinned:
      return "pinned";
    case unpinned:
      return "unpinned";
    case yielded:
      return "yielded";
    case unyielded:
      return "unyielded";
    case draining:
      return "draining";
    case revoked:
      return "revoked";
    case prefetch:
      return "prefetch";
  }
  return "";
}

const char* word(core::ReleaseReport::Outcome value) {
  using enum core::ReleaseReport::Outcome;
  switch (value) {
    case kept:
      return "kept";
    case still_leased:
      return "still_leased";
    case kept_wanted:
      return "kept_wanted";
    case freed:
      return "freed";
    case unverified:
      return "unverified";
  }
  return "";
}

}  // namespace gpumodel::broker

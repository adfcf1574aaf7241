// The core's enumerations in the protocol's words.
#pragma once

#include "core/core.hpp"

namespace gpumodel::broker {

const char* word(core::ModelState state);
const char* word(core::DeviceRow::State state);
const char* word(core::LeaseRow::State state);
const char* word(core::Tier tier);
const char* word(core::PlanReport::Action action);
const char* word(core::Prefetched::Row::Action action);
const char* word(core::Happened::Type type);
const char* word(core::ReleaseReport::Outcome outcome);

}  // namespace gpumodel::broker

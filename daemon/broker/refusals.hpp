// The core's refusals and reports in the protocol's words.
#pragma once

#include "broker/catalog.hpp"
#include "core/effects.hpp"
#include "wire/error.hpp"
#include "wire/messages.hpp"

namespace gpumodel::broker {

wire::Error to_error(const core::Refusal& refusal, const Catalog& catalog);
wire::ReleaseResult to_wire(const core::ReleaseReport& report);

}  // namespace gpumodel::broker

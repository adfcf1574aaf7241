// The core's refusals and reports in the protocol's words.
#pragma once

#include "broker/catalog.hpp"
#include "core/effects.hpp"
#include "wire/error.hpp"
#include "wire/messages.hpp"
#include "wire/operator_messages.hpp"

namespace gpumodel::broker {

// `holders`: of the memory that is in the way, where the refusal is about that.
wire::Error to_error(const core::Refusal& refusal, const Catalog& catalog,
                     const std::vector<wire::ForeignHolder>& holders = {});
wire::ReleaseResult to_wire(const core::ReleaseReport& report);

}  // namespace gpumodel::broker

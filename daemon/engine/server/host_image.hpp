// Weights by way of the broker's host images, as `load` and `fill` of ENGINE_PROTOCOL.md ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/model/loader.hpp"
#include "engine/model/source.hpp"
#include "os/fd.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::engine::server {

struct WeightsInMemory {
  model::LoadedWeights loaded;
  std::optional<std::uint64_t> image_checksum;  // of an image that was filled
};

// The folder, whose identity is the one that `inspect` reported. Throws BadModel.
model::ModelSource open_as_inspected(const std::string& path, const std::string& dtype,
                                     const std::string& identity);

// From the files; or, with `params`, from the files into `image`, or from it alone. Throws what
// model::load_weights does; wire::Error{invalid} where `image` is not of the size that the weights
// and `params` have, wire::Error{model_bad} with ImageFault where its checksum differs,
// std::system_error where it cannot be mapped.
WeightsInMemory bring_to_memory(const model::ModelSource& source, const model::Destination& to,
                                const std::optional<wire::LoadImage>& params, const os::Fd& image,
                                const model::LoadOptions& options);

// Fills an image and keeps no part of it mapped. Throws as above.
wire::FillResult fill_host_image(const wire::FillParams& params, const os::Fd& image,
                                 const model::LoadOptions& options);

}  // namespace gpumodel::engine::server

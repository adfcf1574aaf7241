#include "engine/server/host_image.hpp"

#include <sys/stat.h>

#include <chrono>

#include "wire/error.hpp"

namespace gpumodel::engine::server {
namespace {

using wire::Code;
using wire::Error;

// Reading beyond the end of a mapped memfd would end the process.
void check_size(const os::Fd& image, std::uint64_t said_bytes, std::uint64_t needed_bytes) {
  struct stat facts {};
  if (!image || ::fstat(image.get(), &facts) != 0)
    throw Error(Code::invalid, "image: no file descriptor came with it");
  const auto bytes = static_cast<std::uint64_t>(facts.st_size);
  if (said_bytes != needed_bytes || bytes != needed_bytes)
    throw Error(Code::invalid, "image: of " + std::to_string(said_bytes) + " bytes, in a file of " +
                                   std::to_string(bytes) + "; these weights need " +
                                   std::to_string(needed_bytes) + ", as inspect said");
}

[[noreturn]] void throw_image_bad() {
  Error error(Code::model_bad, "the image's checksum is not that of its fill; load from the files");
  error.detail = wire::encode(wire::ImageFault{true});
  throw error;
}

}  // namespace

model::ModelSource open_as_inspected(const std::string& path, const std::string& dtype,
                                     const std::string& identity) {
  model::ModelSource source = model::open_source(path, dtype);
  if (source.identity != identity)
    throw BadModel("model folder", "its files changed since they were inspected");
  return source;
}

WeightsInMemory bring_to_memory(const model::ModelSource& source, const model::Destination& to,
                                const std::optional<wire::LoadImage>& params, const os::Fd& image,
                                const model::LoadOptions& options) {
  if (!params) return {model::load_weights(source.tensors, source.layout, to, options), {}};
  check_size(image, params->bytes, source.layout.tensor_bytes);
  if (params->mode == wire::kImageFill) {
    model::FilledImage filled =
        model::fill_image(source.tensors, source.layout, to, image, options);
    return {std::move(filled.loaded), filled.checksum};
  }
  if (params->mode != wire::kImageUse)
    throw Error(Code::invalid, "image.mode: expected fill or use");
  model::LoadedWeights loaded = model::map_image(source.layout, to, image, options);
  if (params->verify && model::image_checksum(loaded.arena, options) != params->checksum)
    throw_image_bad();
  return {std::move(loaded), {}};
}

wire::FillResult fill_host_image(const wire::FillParams& params, const os::Fd& image,
                                 const model::LoadOptions& options) {
  const auto begun = std::chrono::steady_clock::now();
  const model::ModelSource source = open_as_inspected(params.path, params.dtype, params.identity);
  check_size(image, params.image_bytes, source.layout.tensor_bytes);
  // What is filled is the broker's memory, not the device's.
  memory::Budget not_the_device(source.layout.tensor_bytes);
  const std::string name = "gpumodel-" + std::to_string(params.weights) + "-image";
  const std::uint64_t checksum =
      model::fill_image(source.tensors, source.layout, {not_the_device, name}, image, options)
          .checksum;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begun);
  return {checksum, static_cast<std::uint64_t>(took.count())};
}

}  // namespace gpumodel::engine::server

// The daemon's side of the socket: any bytes, in pieces, into every message struct that a client may send.
#include <cstring>

#include "wire/frame.hpp"
#include "wire/messages.hpp"

using namespace gpumodel::wire;

namespace {

template <class Params>
void try_decode(const msgpack::object& params) {
  try {
    const auto decoded = decode<Params>(params);
    if constexpr (requires { decoded.generation; }) check(decoded.generation);
    encode(decoded);
  } catch (const Error&) {
  }
}

void decode_as_everything(const msgpack::object& params) {
  try_decode<HelloParams>(params);
  try_decode<AcquireParams>(params);
  try_decode<ReleaseParams>(params);
  try_decode<GenerateParams>(params);
  try_decode<CancelParams>(params);
  try_decode<CallJsonParams>(params);
  try_decode<TextParams<TextTarget, TokenizeInput>>(params);
  try_decode<TextParams<TextTarget, DetokenizeInput>>(params);
  try_decode<TextParams<TextTarget, RenderInput>>(params);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0];
  FrameReader reader;
  try {
    for (std::size_t at = 1; at < size; at += piece) {
      const std::size_t part = std::min(piece, size - at);
      std::memcpy(reader.prepare(part).data(), data + at, part);
      reader.commit(part);
      while (auto frame = reader.next())
        if (frame->kind != Frame::Kind::response) decode_as_everything(frame->params);
    }
  } catch (const FramingError&) {
  }
  return 0;
}

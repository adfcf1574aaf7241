#include "engine/device/cuda/driver/stream.hpp"

#include <utility>

#include "engine/device/cuda/driver/error.hpp"

namespace gpumodel::engine::device::cuda {

Stream::Stream(const Context& context) : context_(context) {
  const Driver& driver = context_.driver();
  check(driver, driver.stream_create(&stream_, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
}

Stream::~Stream() { context_.driver().stream_destroy(stream_); }

void Stream::synchronize() const {
  const Driver& driver = context_.driver();
  check(driver, driver.stream_synchronize(stream_), "cuStreamSynchronize");
}

void Stream::settle() const noexcept { context_.driver().stream_synchronize(stream_); }

Event::Event(const Context& context) : context_(context) {
  const Driver& driver = context_.driver();
  check(driver, driver.event_create(&event_, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC),
        "cuEventCreate");
}

Event::Event(Event&& other) noexcept
    : context_(other.context_), event_(std::exchange(other.event_, nullptr)) {}

Event::~Event() {
  if (event_ != nullptr) context_.driver().event_destroy(event_);
}

void Event::record(const Stream& stream) const {
  const Driver& driver = context_.driver();
  check(driver, driver.event_record(event_, stream.get()), "cuEventRecord");
}

void Event::synchronize() const {
  const Driver& driver = context_.driver();
  check(driver, driver.event_synchronize(event_), "cuEventSynchronize");
}

}  // namespace gpumodel::engine::device::cuda

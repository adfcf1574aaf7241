#include "broker/process_watch.hpp"

#include <poll.h>

#include <utility>

namespace gpumodel::broker {

void ProcessWatch::start(os::Fd process, std::function<void()> on_end) {
  process_.assign(process.release());
  on_end_ = std::move(on_end);
  wait();
}

void ProcessWatch::stop() {
  boost::system::error_code ignored;
  process_.close(ignored);
}

void ProcessWatch::wait() {
  process_.async_wait(asio::posix::stream_descriptor::wait_read,
                      alive_.guard([this](const boost::system::error_code& error) {
                        if (error) return;
                        // Asio's record of a closed descriptor is used again at once, and what was
                        // queued for the old one then wakes the new one.
                        pollfd ended{process_.native_handle(), POLLIN, 0};
                        if (::poll(&ended, 1, 0) != 1) return wait();
                        const auto on_end = std::move(on_end_);
                        on_end();
                      }));
}

}  // namespace gpumodel::broker

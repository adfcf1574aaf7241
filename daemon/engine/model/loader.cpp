#include "engine/model/loader.hpp"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/model/convert.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr std::uint64_t kSliceBytes = std::uint64_t{8} << 20;  // in the file
// What is converted goes through a buffer that stays in the core's cache.
constexpr std::uint64_t kConvertBytes = std::uint64_t{256} << 10;

std::vector<Piece> cut_into_slices(const Layout& layout) {
  std::vector<Piece> slices;
  for (const Piece& piece : layout.pieces) {
    const std::uint64_t at_once = kSliceBytes / io::dtype_bytes(piece.source);
    for (std::uint64_t done = 0; done < piece.elements; done += at_once) {
      Piece slice = piece;
      slice.elements = std::min(at_once, piece.elements - done);
      slice.file_offset += done * io::dtype_bytes(piece.source);
      slice.arena_offset += done * io::dtype_bytes(piece.target);
      slices.push_back(slice);
    }
  }
  return slices;
}

// One load: its slices, taken by whichever thread is free, until none is left, one fails or it is
// stopped.
class Load {
 public:
  Load(const io::TensorIndex& tensors, const Layout& layout, const memory::Arena& arena,
       const LoadOptions& options)
      : tensors_(tensors),
        arena_(arena),
        options_(options),
        total_bytes_(layout.source_bytes),
        slices_(cut_into_slices(layout)) {}

  void run() {
    for (const io::OpenFile& file : tensors_.files) {
      ::posix_fadvise(file.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    {
      const std::vector<std::jthread> helpers = start_helpers();
      work(options_.progress);
    }
    if (error_) std::rethrow_exception(error_);
    if (done_bytes_ != total_bytes_) throw LoadInterrupted();
    if (options_.progress) options_.progress(total_bytes_, total_bytes_);
  }

 private:
  std::vector<std::jthread> start_helpers() {
    const std::size_t threads = std::min<std::size_t>(options_.threads, slices_.size());
    std::vector<std::jthread> helpers;
    while (helpers.size() + 1 < threads) {
      try {
        helpers.emplace_back([this] { work({}); });
      } catch (const std::system_error&) {
        break;  // the system has no more threads; those there are do it
      }
    }
    return helpers;
  }

  // Exceptions of any thread end all of them; the first is kept.
  void work(const std::function<void(std::uint64_t, std::uint64_t)>& progress) noexcept {
    try {
      std::vector<std::byte> buffer;
      while (!failed_ && !options_.stop.stop_requested()) {
        const std::size_t number = next_.fetch_add(1);
        if (number >= slices_.size()) return;
        read(slices_[number], buffer);
        const std::uint64_t done = done_bytes_ += slices_[number].source_bytes();
        if (progress && done < total_bytes_) progress(done, total_bytes_);
      }
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }

  void read(const Piece& slice, std::vector<std::byte>& buffer) const {
    const io::OpenFile& file = tensors_.files[slice.file];
    std::byte* to = arena_.data() + slice.arena_offset;
    const std::size_t target_bytes = io::dtype_bytes(slice.target);
    arena_.populate(slice.arena_offset, slice.elements * target_bytes);
    if (slice.source == slice.target) {
      io::read_exactly(file, slice.file_offset, to, slice.source_bytes());
      return;
    }
    buffer.resize(kConvertBytes);
    const std::size_t source_bytes = io::dtype_bytes(slice.source);
    const std::uint64_t at_once = kConvertBytes / source_bytes;
    for (std::uint64_t done = 0; done < slice.elements; done += at_once) {
      const std::uint64_t count = std::min(at_once, slice.elements - done);
      io::read_exactly(file, slice.file_offset + done * source_bytes, buffer.data(),
                       count * source_bytes);
      convert(buffer.data(), slice.source, to + done * target_bytes, slice.target, count);
    }
  }

  const io::TensorIndex& tensors_;
  const memory::Arena& arena_;
  const LoadOptions& options_;
  const std::uint64_t total_bytes_;
  const std::vector<Piece> slices_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::uint64_t> done_bytes_{0};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

}  // namespace

LoadedWeights load_weights(const io::TensorIndex& tensors, const Layout& layout,
                           memory::Budget& budget, const std::string& arena_name,
                           const LoadOptions& options) {
  LoadedWeights loaded{memory::Arena(budget, arena_name, layout.tensor_bytes), {}};
  Load(tensors, layout, loaded.arena, options).run();
  loaded.weights = make_views(layout, loaded.arena.data());
  return loaded;
}

}  // namespace gpumodel::engine::model

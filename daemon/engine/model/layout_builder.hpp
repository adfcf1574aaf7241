// Places tensors in an arena one after the other, and notes which bytes of which file fill them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/safetensors.hpp"
#include "engine/model/layout.hpp"

namespace gpumodel::engine::model {

// The dtype of a tensor of a checkpoint; none for one that is not read.
std::optional<io::DType> source_dtype(std::string_view name);

// One tensor of the checkpoint, and how many rows of a slot it fills.
struct SlotPart {
  std::string name;
  std::int64_t rows;
};

// Throws BadModel that names file and tensor where a part is missing, or is of another shape or of
// a dtype that is not read.
class LayoutBuilder {
 public:
  explicit LayoutBuilder(const io::TensorIndex& tensors) : tensors_(tensors) {}

  // The parts below each other.
  Slot matrix(const std::vector<SlotPart>& parts, std::int64_t columns, MatrixFormat format);
  // The parts one after the other, as floats.
  Slot vector(const std::vector<SlotPart>& parts);
  // Room for floats that no file fills.
  Slot scratch(std::int64_t rows, std::int64_t columns);

  // Ordered by file and offset in it. The builder is done.
  std::vector<Piece> take_pieces();
  std::uint64_t bytes() const;  // of the arena, in whole pages
  std::uint64_t source_bytes() const { return source_bytes_; }
  std::uint64_t elements() const { return elements_; }

 private:
  Slot place(std::int64_t rows, std::int64_t columns, MatrixFormat format);
  std::uint64_t reserve(std::int64_t bytes);
  // The part fills the slot from its row `first` on; `shape` is what the tensor must have.
  void add(const SlotPart& part, const std::vector<std::int64_t>& shape, const Slot& slot,
           std::int64_t first);

  const io::TensorIndex& tensors_;
  std::vector<Piece> pieces_;
  std::uint64_t end_ = 0;
  std::uint64_t source_bytes_ = 0;
  std::uint64_t elements_ = 0;
};

}  // namespace gpumodel::engine::model

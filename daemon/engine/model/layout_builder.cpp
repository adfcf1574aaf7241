#include "engine/model/layout_builder.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/memory/arena.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr std::uint64_t kAlignmentBytes = 64;
const std::string kIndexName = "model.safetensors.index.json";

BadModel tensor_error(const std::string& file, const std::string& tensor, const std::string& what) {
  return BadModel(file, "tensor " + tensor + " " + what);
}

std::int64_t rows_of(const std::vector<SlotPart>& parts) {
  std::int64_t rows = 0;
  for (const SlotPart& part : parts) rows += part.rows;
  return rows;
}

}  // namespace

std::optional<io::DType> source_dtype(std::string_view name) {
  if (name == "F32") return io::DType::f32;
  if (name == "F16") return io::DType::f16;
  if (name == "BF16") return io::DType::bf16;
  return std::nullopt;
}

Slot LayoutBuilder::matrix(const std::vector<SlotPart>& parts, std::int64_t columns,
                           MatrixFormat format) {
  const Slot slot = place(rows_of(parts), columns, format);
  std::int64_t first = 0;
  for (const SlotPart& part : parts) {
    add(part, {part.rows, columns}, slot, first);
    first += part.rows;
  }
  return slot;
}

Slot LayoutBuilder::vector(const std::vector<SlotPart>& parts) {
  const Slot slot = place(rows_of(parts), 1, MatrixFormat::f32);
  std::int64_t first = 0;
  for (const SlotPart& part : parts) {
    add(part, {part.rows}, slot, first);
    first += part.rows;
  }
  return slot;
}

Slot LayoutBuilder::scratch(std::int64_t rows, std::int64_t columns) {
  return place(rows, columns, MatrixFormat::f32);
}

std::vector<Piece> LayoutBuilder::take_pieces() {
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.file, a.file_offset) < std::tie(b.file, b.file_offset);
  });
  return std::exchange(pieces_, {});
}

std::uint64_t LayoutBuilder::bytes() const { return memory::round_to_pages(end_); }

Slot LayoutBuilder::place(std::int64_t rows, std::int64_t columns, MatrixFormat format) {
  Slot slot{.rows = rows, .columns = columns, .format = format};
  slot.offset = reserve(rows * device::row_bytes(format, columns));
  slot.scales_offset = reserve(rows * device::row_scale_bytes(format, columns));
  return slot;
}

std::uint64_t LayoutBuilder::reserve(std::int64_t bytes) {
  const std::uint64_t offset = end_;
  end_ += static_cast<std::uint64_t>(bytes);
  end_ = (end_ + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  return offset;
}

void LayoutBuilder::add(const SlotPart& part, const std::vector<std::int64_t>& shape,
                        const Slot& slot, std::int64_t first) {
  const std::string& name = part.name;
  const auto found = tensors_.tensors.find(name);
  if (found == tensors_.tensors.end()) {
    const std::string& where =
        tensors_.files.size() == 1 ? tensors_.files.front().name : kIndexName;
    throw tensor_error(where, name, "is missing");
  }
  const io::TensorEntry& tensor = found->second;
  const std::string& file = tensors_.files.at(tensor.file).name;
  if (tensor.shape != shape)
    throw tensor_error(file, name,
                       "has shape " + io::TensorIndex::shape_text(tensor.shape) + ", expected " +
                           io::TensorIndex::shape_text(shape));
  const std::optional<io::DType> source = source_dtype(tensor.dtype);
  if (!source)
    throw tensor_error(file, name, "has dtype " + tensor.dtype + ", expected F32, F16 or BF16");
  const Piece whole{.tensor = name,
                    .file = tensor.file,
                    .source = *source,
                    .arena_offset = slot.offset,
                    .scales_offset = slot.scales_offset,
                    .target = slot.format,
                    .columns = slot.columns};
  Piece piece = whole.part(first, part.rows);
  piece.file_offset = tensor.offset;
  elements_ += piece.elements();
  source_bytes_ += piece.source_bytes();
  pieces_.push_back(std::move(piece));
}

}  // namespace gpumodel::engine::model

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
                           io::DType dtype) {
  const Slot slot = place(rows_of(parts), columns, dtype);
  std::uint64_t offset = slot.offset;
  for (const SlotPart& part : parts) offset = add(part.name, {part.rows, columns}, offset, dtype);
  return slot;
}

Slot LayoutBuilder::vector(const std::vector<SlotPart>& parts) {
  const Slot slot = place(rows_of(parts), 1, io::DType::f32);
  std::uint64_t offset = slot.offset;
  for (const SlotPart& part : parts) offset = add(part.name, {part.rows}, offset, io::DType::f32);
  return slot;
}

Slot LayoutBuilder::scratch(std::int64_t rows, std::int64_t columns) {
  return place(rows, columns, io::DType::f32);
}

std::vector<Piece> LayoutBuilder::take_pieces() {
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.file, a.file_offset) < std::tie(b.file, b.file_offset);
  });
  return std::exchange(pieces_, {});
}

std::uint64_t LayoutBuilder::bytes() const { return memory::round_to_pages(end_); }

Slot LayoutBuilder::place(std::int64_t rows, std::int64_t columns, io::DType dtype) {
  const Slot slot{end_, rows, columns};
  const auto elements = static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns);
  end_ += elements * io::dtype_bytes(dtype);
  end_ = (end_ + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  return slot;
}

std::uint64_t LayoutBuilder::add(const std::string& name, const std::vector<std::int64_t>& shape,
                                 std::uint64_t offset, io::DType target) {
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
  const Piece piece{.tensor = name,
                    .file = tensor.file,
                    .file_offset = tensor.offset,
                    .source = *source,
                    .arena_offset = offset,
                    .target = target,
                    .elements = tensor.bytes / io::dtype_bytes(*source)};
  pieces_.push_back(piece);
  elements_ += piece.elements;
  source_bytes_ += piece.source_bytes();
  return offset + piece.elements * io::dtype_bytes(target);
}

}  // namespace gpumodel::engine::model

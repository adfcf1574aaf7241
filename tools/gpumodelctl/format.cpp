#include "gpumodelctl/format.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace gpumodelctl {
namespace {

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  }));
}

void append_row(std::string& out, const std::vector<Table::Column>& columns,
                const std::vector<std::size_t>& widths, const std::vector<Cell>& cells,
                bool colour) {
  std::string line;
  std::size_t blanks = 0;  // owed before the next cell that is not empty
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t fill = widths[i] - width(cells[i].text);
    const bool right = columns[i].align == Table::Align::right;
    if (i != 0) blanks += 2;
    if (right) blanks += fill;
    if (!cells[i].text.empty()) {
      line.append(blanks, ' ');
      line += painted(cells[i].tone, cells[i].text, colour);
      blanks = 0;
    }
    if (!right) blanks += fill;
  }
  out += line + '\n';
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string format_ms(std::uint64_t ms) {
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (ms < 60'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  if (ms < 3'600'000) return fmt::format("{} min", ms / 60'000);
  if (ms < 48 * 3'600'000ull) return fmt::format("{} h", ms / 3'600'000);
  return fmt::format("{} d", ms / (24 * 3'600'000ull));
}

bool wants_colour(int fd) {
  const char* const no_colour = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return isatty(fd) != 0 && (no_colour == nullptr || no_colour[0] == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::string painted(Tone tone, const std::string& text, bool colour) {
  constexpr std::array kEscapes{"", "\033[1m", "\033[32m", "\033[33m", "\033[31m"};
  if (!colour || tone == Tone::plain) return text;
  return kEscapes[static_cast<std::size_t>(tone)] + text + "\033[0m";
}

std::string tamed(std::string text) {
  for (char& byte : text)
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) byte = '?';
  return text;
}

void Table::add(std::vector<Cell> cells) {
  for (Cell& cell : cells) cell.text = tamed(std::move(cell.text));
  rows_.push_back(std::move(cells));
}

std::string Table::text(bool colour) const {
  std::vector<Cell> titles;
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    titles.emplace_back(columns_[i].title, Tone::title);
    widths.push_back(width(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width(row[i].text));
  }
  std::string out;
  append_row(out, columns_, widths, titles, colour);
  for (const auto& row : rows_) append_row(out, columns_, widths, row, colour);
  return out;
}

}  // namespace gpumodelctl

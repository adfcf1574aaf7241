#include "gpumodelctl/format.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace gpumodelctl {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastWidth = 6;  // of a column that is cut

// The end of the escape or the character that begins at `at`.
std::size_t next(const std::string& text, std::size_t at, bool& is_escape) {
  is_escape = text[at] == '\033';
  if (is_escape) {
    const std::size_t end = text.find('m', at);
    return end == std::string::npos ? text.size() : end + 1;
  }
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  return at;
}

std::size_t total(const std::vector<std::size_t>& widths) {
  std::size_t sum = 0;
  for (const std::size_t width : widths) sum += width + kGap;
  return sum - std::min(sum, kGap);
}

void append_row(std::string& out, const std::vector<Table::Column>& columns,
                const std::vector<std::size_t>& widths, const std::vector<Cell>& cells,
                bool colour) {
  std::string line;
  std::size_t blanks = 0;  // owed before the next cell that is not empty
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t fill = widths[i] - shown_width(cells[i].text);
    const bool right = columns[i].align == Table::Align::right;
    if (i != 0) blanks += kGap;
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
  constexpr std::array kEscapes{"",        "\033[1m",  "\033[32m", "\033[33m", "\033[31m",
                                "\033[2m", "\033[34m", "\033[36m", "\033[35m"};
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

std::size_t shown_width(const std::string& text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    bool is_escape = false;
    at = next(text, at, is_escape);
    width += is_escape ? 0 : 1;
  }
  return width;
}

std::string cut(const std::string& text, std::size_t columns) {
  if (shown_width(text) <= columns) return text;
  std::string out;
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    bool is_escape = false;
    const std::size_t end = next(text, at, is_escape);
    // Escapes behind the cut stay: they end the colour.
    if (is_escape || width + 1 < columns) out.append(text, at, end - at);
    if (!is_escape && width + 1 == columns) out += '~';
    width += is_escape ? 0 : 1;
    at = end;
  }
  return out;
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(shown_width(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], shown_width(row[i].text));
  }
  return widths;
}

void Table::leave_out(std::size_t columns) {
  while (total(widths()) > columns) {
    const auto least_needed =
        std::max_element(columns_.begin(), columns_.end(),
                         [](const Column& a, const Column& b) { return a.spare < b.spare; });
    if (least_needed == columns_.end() || least_needed->spare == 0) return;
    const auto index = least_needed - columns_.begin();
    columns_.erase(least_needed);
    for (auto& row : rows_) row.erase(row.begin() + index);
  }
}

void Table::cut_to(std::size_t columns) {
  std::vector<std::size_t> now = widths();
  while (total(now) > columns) {
    const auto widest = std::max_element(now.begin(), now.end());
    if (widest == now.end() || *widest <= kLeastWidth) break;
    --*widest;
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].title = cut(columns_[i].title, now[i]);
    for (auto& row : rows_) row[i].text = cut(row[i].text, now[i]);
  }
}

std::string Table::text(const View& view) const {
  Table shown = *this;
  if (view.columns != 0) {
    shown.leave_out(view.columns);
    shown.cut_to(view.columns);
  }
  std::vector<Cell> titles;
  for (const Column& column : shown.columns_) titles.emplace_back(column.title, Tone::title);
  const std::vector<std::size_t> widths = shown.widths();
  std::string out;
  append_row(out, shown.columns_, widths, titles, view.colour);
  for (const auto& row : shown.rows_) append_row(out, shown.columns_, widths, row, view.colour);
  return out;
}

}  // namespace gpumodelctl

// Figures and tables as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpumodelctl/view.hpp"

namespace gpumodelctl {

// "0", "512 B", "1.5 KiB", "256 MiB": three significant digits, powers of 1024.
std::string format_bytes(std::uint64_t bytes);
// "850 ms", "2.4 s", "3 min", "2 h", "4 d".
std::string format_ms(std::uint64_t ms);

// Whether text on this descriptor may carry colours: a terminal, without $NO_COLOR (no-color.org)
// and not TERM=dumb.
bool wants_colour(int fd);

enum class Tone { plain, title, good, warning, bad, dim, blue, cyan, magenta };
// With `colour`: `text` in the escapes of its tone.
std::string painted(Tone tone, const std::string& text, bool colour);
// Control characters become "?": names and reasons come from other users.
std::string tamed(std::string text);

struct Cell {
  std::string text;
  Tone tone = Tone::plain;

  Cell(std::string words) : text(std::move(words)) {}
  Cell(const char* words) : text(words) {}
  Cell(std::string words, Tone its_tone) : text(std::move(words)), tone(its_tone) {}
};

// As a terminal shows it: Unicode code points, escapes not counted.
std::size_t shown_width(const std::string& text);
// `text` in at most `columns` of them: what is too long ends in "~".
std::string cut(const std::string& text, std::size_t columns);

// Columns as wide as their widest cell, two spaces apart; no trailing blanks. Where the view is
// narrower, columns are left out in the order of their `spare`, and then the widest are cut.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
    int spare = 0;  // the first to be left out has the largest; 0: none does without it
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns; they are tamed.
  void add(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  std::string text(const View& view) const;

 private:
  std::vector<std::size_t> widths() const;
  void leave_out(std::size_t columns);
  void cut_to(std::size_t columns);

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace gpumodelctl

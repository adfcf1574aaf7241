// Figures and tables as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpumodelctl {

// "0", "512 B", "1.5 KiB", "256 MiB": three significant digits, powers of 1024.
std::string format_bytes(std::uint64_t bytes);
// "850 ms", "2.4 s", "3 min", "2 h", "4 d".
std::string format_ms(std::uint64_t ms);

// Columns as wide as their widest cell, two spaces apart; no trailing blanks. Width is counted in
// Unicode code points.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns. Control characters become "?": names come from other users.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace gpumodelctl

#include "gpumodelctl/bar.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

namespace gpumodelctl {
namespace {

// Letters tell owners apart where colours do not.
std::string glyph(const Share& share, const View& view) {
  if (!view.colour || !view.blocks) return std::string(1, share.letter);
  return share.is_free ? "\u2591" : "\u2588";
}

}  // namespace

std::vector<std::size_t> divide(const std::vector<Share>& shares, std::size_t cells) {
  std::vector<std::size_t> out(shares.size(), 0);
  double sum = 0;
  for (const Share& share : shares) sum += static_cast<double>(share.amount);
  if (sum == 0) return out;
  std::vector<double> exact;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    exact.push_back(static_cast<double>(shares[i].amount) / sum * static_cast<double>(cells));
    out[i] =
        shares[i].amount == 0 ? 0 : std::max<std::size_t>(1, static_cast<std::size_t>(exact[i]));
  }
  const auto owners = static_cast<std::size_t>(std::count_if(
      shares.begin(), shares.end(), [](const Share& each) { return each.amount != 0; }));
  const std::size_t least = cells >= owners ? 1 : 0;
  // One cell at a time, to who has most too few, or from who has most too many.
  for (std::size_t given = std::accumulate(out.begin(), out.end(), std::size_t{0});
       given != cells;) {
    const bool more = given < cells;
    std::size_t best = shares.size();
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (shares[i].amount == 0 || (!more && out[i] <= least)) continue;
      const auto owed = [&](std::size_t j) { return exact[j] - static_cast<double>(out[j]); };
      if (best == shares.size() || (more ? owed(i) > owed(best) : owed(i) < owed(best))) best = i;
    }
    out[best] += more ? 1 : std::size_t(-1);
    given += more ? 1 : std::size_t(-1);
  }
  return out;
}

std::string bar(const std::vector<Share>& shares, std::size_t cells, const View& view) {
  const std::vector<std::size_t> parts = divide(shares, cells);
  std::string out;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    std::string part;
    for (std::size_t cell = 0; cell < parts[i]; ++cell) part += glyph(shares[i], view);
    if (!part.empty()) out += painted(shares[i].tone, part, view.colour);
  }
  return out;
}

std::vector<std::string> legend(const std::vector<Share>& shares, const View& view) {
  std::vector<std::string> out;
  for (const Share& share : shares)
    if (share.amount != 0)
      out.push_back(fmt::format("{} {} {}", painted(share.tone, glyph(share, view), view.colour),
                                share.name, format_bytes(share.amount)));
  return out;
}

}  // namespace gpumodelctl

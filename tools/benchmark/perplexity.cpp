// bench_perplexity MODEL DTYPE: the perplexity of a text for a model as gpumodeld would load it.
// Each line on stdin is a chunk of it: token ids between spaces. Tokens are predicted from those
// before them in their chunk, the first of a chunk from nothing, so not at all. Prints
// {"perplexity", "tokens", "weights_bytes"}.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "benchmark/bare_engine.hpp"
#include "engine/model/needs.hpp"

namespace {

using namespace gpumodel;
using namespace gpumodel::engine;

using Tokens = std::vector<std::int32_t>;

std::vector<Tokens> read_chunks(std::istream& in) {
  std::vector<Tokens> chunks;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    chunks.emplace_back(std::istream_iterator<std::int32_t>(words),
                        std::istream_iterator<std::int32_t>());
  }
  return chunks;
}

// -log of the probability of `token`.
double surprise(std::span<const float> logits, std::int32_t token) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(double{logit} - best);
  return std::log(total) + best - double{logits[static_cast<std::size_t>(token)]};
}

class Evaluation {
 public:
  Evaluation(const std::string& folder, const std::string& dtype, std::int64_t longest)
      : backend_(bench::best_backend()), engine_(folder, dtype, longest, *backend_) {}

  void add(const Tokens& chunk) {
    kv::PageTable pages(engine_.pool());
    if (!pages.reserve(static_cast<std::int64_t>(chunk.size()))) return;
    const std::span<const std::int32_t> all(chunk);
    for (std::size_t done = 0; done + 1 < all.size();) {
      const auto now =
          all.subspan(done, std::min<std::size_t>(model::kMaxLogitRows, all.size() - 1 - done));
      const auto rows = static_cast<std::int32_t>(now.size());
      const model::SequenceStep step{now, static_cast<std::int32_t>(done), pages.pages(), rows};
      const float* logits = engine_.decoder().step({{&step, 1}});
      const auto vocabulary = static_cast<std::size_t>(engine_.source().config.vocab_size);
      for (std::size_t row = 0; row < now.size(); ++row)
        surprise_ += surprise({logits + row * vocabulary, vocabulary}, all[done + row + 1]);
      done += now.size();
    }
    tokens_ += chunk.size() - 1;
  }

  void print() const {
    std::printf("{\"perplexity\": %.6f, \"tokens\": %zu, \"weights_bytes\": %llu}\n",
                std::exp(surprise_ / static_cast<double>(tokens_)), tokens_,
                static_cast<unsigned long long>(engine_.source().layout.tensor_bytes));
  }

 private:
  std::unique_ptr<device::Backend> backend_;
  bench::BareEngine engine_;
  double surprise_ = 0;
  std::size_t tokens_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fputs("usage: bench_perplexity MODEL DTYPE <CHUNKS\n", stderr);
    return 2;
  }
  const std::vector<Tokens> chunks = read_chunks(std::cin);
  std::size_t longest = 0;
  for (const Tokens& chunk : chunks) longest = std::max(longest, chunk.size());
  if (longest < 2) {
    std::fputs("bench_perplexity: no chunk of two tokens on stdin\n", stderr);
    return 2;
  }
  Evaluation evaluation(argv[1], argv[2], static_cast<std::int64_t>(longest));
  for (const Tokens& chunk : chunks) evaluation.add(chunk);
  evaluation.print();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_perplexity: %s\n", error.what());
  return 1;
}

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
#include <thread>
#include <vector>

#include "engine/device/backend.hpp"
#include "engine/kv/page_pool.hpp"
#include "engine/memory/arena.hpp"
#include "engine/model/decoder.hpp"
#include "engine/model/loader.hpp"
#include "engine/model/needs.hpp"
#include "engine/model/source.hpp"

namespace {

using namespace gpumodel::engine;

using Tokens = std::vector<std::int32_t>;

int threads() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

std::unique_ptr<device::Backend> best_backend() {
  auto cpu = device::make_cpu_backend(threads());
  return cpu ? std::move(cpu) : device::make_aten_backend(threads());
}

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
  Evaluation(const std::string& folder, const std::string& dtype, std::int32_t longest)
      : backend_(best_backend()),
        source_(model::open_source(folder, dtype)),
        loaded_(model::load_weights(source_.tensors, source_.layout, {budget_, "weights"},
                                    {.threads = static_cast<unsigned>(threads()),
                                     .stop = {},
                                     .progress = {},
                                     .gives_way = {}})),
        layout_(kv::KvLayout::of(source_.config, source_.layout.types.dtype)),
        pool_(static_cast<std::int32_t>(kv::pages_for(longest))),
        kv_(budget_, "kv",
            static_cast<std::uint64_t>(layout_.page_bytes() * kv::pages_for(longest))),
        workspace_(budget_, "workspace", source_.needs.workspace_bytes),
        decoder_(source_.config, loaded_.weights, *backend_, kv::KvStore(layout_, kv_.data()),
                 std::span(workspace_.data(), workspace_.bytes())) {}

  void add(const Tokens& chunk) {
    kv::PageTable pages(pool_);
    if (!pages.reserve(static_cast<std::int64_t>(chunk.size()))) return;
    const std::span<const std::int32_t> all(chunk);
    for (std::size_t done = 0; done + 1 < all.size();) {
      const auto now =
          all.subspan(done, std::min<std::size_t>(model::kMaxLogitRows, all.size() - 1 - done));
      const auto rows = static_cast<std::int32_t>(now.size());
      const model::SequenceStep step{now, static_cast<std::int32_t>(done), pages.pages(), rows};
      const float* logits = decoder_.step({{&step, 1}});
      const auto vocabulary = static_cast<std::size_t>(source_.config.vocab_size);
      for (std::size_t row = 0; row < now.size(); ++row)
        surprise_ += surprise({logits + row * vocabulary, vocabulary}, all[done + row + 1]);
      done += now.size();
    }
    tokens_ += chunk.size() - 1;
  }

  void print() const {
    std::printf("{\"perplexity\": %.6f, \"tokens\": %zu, \"weights_bytes\": %llu}\n",
                std::exp(surprise_ / static_cast<double>(tokens_)), tokens_,
                static_cast<unsigned long long>(source_.layout.tensor_bytes));
  }

 private:
  std::unique_ptr<device::Backend> backend_;
  model::ModelSource source_;
  memory::Budget budget_{std::uint64_t{1} << 50};
  model::LoadedWeights loaded_;
  kv::KvLayout layout_;
  kv::PagePool pool_;
  memory::Arena kv_;
  memory::Arena workspace_;
  model::Decoder decoder_;
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
  Evaluation evaluation(argv[1], argv[2], static_cast<std::int32_t>(longest));
  for (const Tokens& chunk : chunks) evaluation.add(chunk);
  evaluation.print();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_perplexity: %s\n", error.what());
  return 1;
}

// A backend that adds up how long each operation of another takes.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "engine/device/backend.hpp"

namespace gpumodel::bench {

class ProfiledBackend final : public engine::device::Backend {
 public:
  enum Operation { kEmbed, kNorm, kLinear, kLmHead, kLora, kRope, kAttention, kGate, kOther };
  static constexpr const char* kNames[] = {"embed", "norm",      "linear", "lm_head", "lora",
                                           "rope",  "attention", "gate",   "other"};

  // lm_head's product is the one with so many rows of weights. `of` outlives this.
  ProfiledBackend(engine::device::Backend& of, std::int64_t vocab_size)
      : of_(of), vocab_size_(vocab_size) {}

  void reset() { seconds_.fill(0); }
  double seconds(std::size_t operation) const { return seconds_[operation]; }

  const char* name() const override { return of_.name(); }
  void prepare(const engine::device::AttentionShape& shape,
               const engine::device::StepShape& step) override {
    of_.prepare(shape, step);
  }

  void embed(const engine::device::MatrixView& table, std::span<const std::int32_t> tokens,
             float scale, float* out) override {
    const Timer timer(seconds_[kEmbed]);
    of_.embed(table, tokens, scale, out);
  }
  void rms_norm(const float* x, const engine::device::Norm& norm, std::int64_t rows,
                std::int64_t columns, engine::device::Output output, float* out) override {
    const Timer timer(seconds_[kNorm]);
    of_.rms_norm(x, norm, rows, columns, output, out);
  }
  void norm_heads(const engine::device::AttentionShape& shape, const engine::device::Norm& q,
                  const engine::device::Norm& k, std::int64_t rows, float* qkv) override {
    const Timer timer(seconds_[kNorm]);
    of_.norm_heads(shape, q, k, rows, qkv);
  }
  void linear(const float* x, std::int64_t rows, const engine::device::MatrixView& w,
              const float* bias, engine::device::Output output, float* out) override {
    const Timer timer(seconds_[w.rows == vocab_size_ ? kLmHead : kLinear]);
    of_.linear(x, rows, w, bias, output, out);
  }
  void add_lora(const float* x, std::int64_t rows, const engine::device::LoraTerm& term,
                float* shrunk, std::int64_t columns, float* out) override {
    const Timer timer(seconds_[kLora]);
    of_.add_lora(x, rows, term, shrunk, columns, out);
  }
  void rope_table(std::span<const float> frequencies, float magnitude,
                  std::span<const engine::device::SequenceRows> sequences, float* table) override {
    const Timer timer(seconds_[kRope]);
    of_.rope_table(frequencies, magnitude, sequences, table);
  }
  void rope_and_store(const engine::device::AttentionShape& shape,
                      std::span<const engine::device::SequenceRows> sequences, const float* table,
                      float* qkv, const engine::kv::KvStore& store, std::int32_t layer) override {
    const Timer timer(seconds_[kRope]);
    of_.rope_and_store(shape, sequences, table, qkv, store, layer);
  }
  void attention(const engine::device::AttentionShape& shape,
                 std::span<const engine::device::SequenceRows> sequences, const float* qkv,
                 const engine::kv::KvStore& store, std::int32_t layer, float* out) override {
    const Timer timer(seconds_[kAttention]);
    of_.attention(shape, sequences, qkv, store, layer, out);
  }
  void gate(engine::io::Activation activation, const float* gate_up, std::int64_t rows,
            std::int64_t columns, float* out) override {
    const Timer timer(seconds_[kGate]);
    of_.gate(activation, gate_up, rows, columns, out);
  }
  void softcap(float* x, std::int64_t count, float cap) override {
    const Timer timer(seconds_[kOther]);
    of_.softcap(x, count, cap);
  }
  void gather_rows(const float* x, std::span<const std::int64_t> indices, std::int64_t columns,
                   float* out) override {
    const Timer timer(seconds_[kOther]);
    of_.gather_rows(x, indices, columns, out);
  }
  void copy_to_host(void* to, const void* from, std::size_t bytes) override {
    const Timer timer(seconds_[kOther]);
    of_.copy_to_host(to, from, bytes);
  }

 private:
  class Timer {
   public:
    explicit Timer(double& total) : total_(total) {}
    ~Timer() {
      total_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    double& total_;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  };

  engine::device::Backend& of_;
  std::int64_t vocab_size_;
  std::array<double, std::size(kNames)> seconds_{};
};

}  // namespace gpumodel::bench

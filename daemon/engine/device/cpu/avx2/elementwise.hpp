// Operations on one row or one run of elements; contracts in cpu/kernels.hpp.
#pragma once

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu::avx2 {

void rms_norm(const float* x, const Norm& norm, std::int64_t columns, Output output, float* out);
void gate(io::Activation activation, const float* gate_up, std::int64_t columns, float* out);
void softcap(float* x, std::int64_t count, float cap);
void multiply(float* x, std::int64_t count, float factor);
void rotate(const float* table, std::int64_t rotary_dim, float* head);
void unpack_row(const MatrixView& matrix, std::int64_t row, float* to);
void pack(const float* from, std::int64_t count, io::DType dtype, void* to);

}  // namespace gpumodel::engine::device::cpu::avx2

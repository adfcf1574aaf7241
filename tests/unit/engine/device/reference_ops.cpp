#include "unit/engine/device/reference_ops.hpp"

namespace gpumodel::test {

std::vector<double> reference_linear(const float* x, std::int64_t rows,
                                     const device::MatrixView& w) {
  // Once, as every row of x meets all of them.
  std::vector<double> weights;
  for (std::int64_t row = 0; row < w.rows; ++row)
    for (std::int64_t column = 0; column < w.columns; ++column)
      weights.push_back(double{matrix_value(w, row, column)});
  std::vector<double> out;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t output = 0; output < w.rows; ++output) {
      double sum = 0;
      for (std::int64_t k = 0; k < w.columns; ++k)
        sum += double{x[row * w.columns + k]} *
               weights[static_cast<std::size_t>(output * w.columns + k)];
      out.push_back(sum);
    }
  return out;
}

std::vector<double> reference_norm(const device::Norm& norm, const float* x, std::int64_t columns) {
  double sum = 0;
  for (std::int64_t i = 0; i < columns; ++i) sum += double{x[i]} * double{x[i]};
  const double root = std::sqrt(sum / static_cast<double>(columns) + double{norm.eps});
  std::vector<double> out;
  for (std::int64_t i = 0; i < columns; ++i)
    out.push_back(double{x[i]} / root * (double{norm.offset} + double{norm.weight[i]}));
  return out;
}

std::vector<double> reference_attention(const device::AttentionShape& shape, const float* queries,
                                        const std::vector<float>& keys,
                                        const std::vector<float>& values, std::int64_t tokens) {
  std::vector<double> out(static_cast<std::size_t>(shape.query_columns()));
  const std::int64_t dim = shape.head_dim;
  for (std::int64_t head = 0; head < shape.heads; ++head) {
    const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
    const auto at = [&](const std::vector<float>& all, std::int64_t token, std::int64_t d) {
      return double{all[static_cast<std::size_t>((token * shape.kv_heads + kv_head) * dim + d)]};
    };
    std::vector<double> weights;
    double best = -INFINITY, total = 0;
    const std::int64_t first =
        shape.window == 0 ? 0 : std::max<std::int64_t>(0, tokens - shape.window);
    for (std::int64_t token = first; token < tokens; ++token) {
      double score = 0;
      for (std::int64_t d = 0; d < dim; ++d)
        score += double{queries[head * dim + d]} * at(keys, token, d);
      score *= double{shape.scale};
      if (shape.softcap > 0)
        score = double{shape.softcap} * std::tanh(score / double{shape.softcap});
      weights.push_back(score);
      best = std::max(best, weights.back());
    }
    for (double& weight : weights) total += weight = std::exp(weight - best);
    for (std::int64_t token = first; token < tokens; ++token)
      for (std::int64_t d = 0; d < dim; ++d)
        out[static_cast<std::size_t>(head * dim + d)] +=
            weights[static_cast<std::size_t>(token - first)] / total * at(values, token, d);
  }
  return out;
}

}  // namespace gpumodel::test

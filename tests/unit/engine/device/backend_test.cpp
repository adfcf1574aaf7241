#include "engine/device/backend.hpp"

#include <algorithm>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <memory>
#include <string>

#include "unit/engine/device/backends.hpp"

using namespace gpumodel::test;
using device::Backend;
using device::Output;

namespace {

std::vector<kv::PageId> shuffled_pages(Random& random, std::int32_t count) {
  std::vector<kv::PageId> pages;
  for (kv::PageId page = 0; page < count; ++page) pages.push_back(page);
  for (std::size_t i = pages.size(); i > 1; --i)
    std::swap(pages[i - 1],
              pages[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i)))]);
  return pages;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(backend, Candidates)

BOOST_AUTO_TEST_CASE(linear_is_the_product_with_the_transpose) {
  Random random(1);
  const std::int64_t shapes[][2] = {{1, 1},    {16, 8},    {5, 7},    {33, 20},
                                    {17, 64},  {64, 130},  {96, 96},  {31, 320},
                                    {50, 321}, {300, 576}, {40, 1537}};
  for (const MatrixFormat format : kFormats)
    for (const auto& [outputs, inputs] : shapes) {
      const TestMatrix weights(random, format, outputs, inputs);
      const device::MatrixView w = weights.view();
      const std::vector<float> bias = random.values(outputs);
      for (const std::int64_t rows : {1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 18, 37}) {
        const std::vector<float> x = random.values(rows * inputs),
                                 old = random.values(rows * outputs);
        const bool biased = random.below(2) == 0;
        const Output output = random.below(2) == 0 ? Output::replace : Output::add;
        std::vector<double> expected = reference_linear(x.data(), rows, w);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          if (biased) expected[i] += double{bias[i % bias.size()]};
          if (output == Output::add) expected[i] += double{old[i]};
        }
        for (const auto& candidate : all) {
          std::vector<float> out = old;
          candidate->linear(x.data(), rows, w, biased ? bias.data() : nullptr, output, out.data());
          check_close(std::string(candidate->name()) + " " + name_of(format) + " " +
                          std::to_string(rows) + " x " + std::to_string(inputs) + " x " +
                          std::to_string(outputs),
                      out, expected, (inputs < 8 ? 8 : 1) * product_tolerance(format, rows));
        }
      }
    }
}

// Whatever x may be rounded to holds these: small integers, the largest in every block of columns.
BOOST_AUTO_TEST_CASE(linear_is_exact_where_x_needs_no_rounding) {
  Random random(21);
  for (const MatrixFormat format : kFormats)
    for (const std::int64_t inputs : {1, 31, 32, 33, 63, 64, 65, 96, 100, 127, 576, 1537}) {
      const std::int64_t outputs = 21;
      const TestMatrix weights(random, format, outputs, inputs);
      for (const std::int64_t rows : {1, 2, 3, 4, 7, 8, 9, 13, 70}) {
        std::vector<float> x(count_of(rows, inputs));
        for (std::size_t i = 0; i < x.size(); ++i) {
          const auto column = static_cast<std::int64_t>(i) % inputs;
          x[i] = column % 64 == 0 ? 127.0f : static_cast<float>(random.below(255) - 127);
        }
        const std::vector<double> expected = reference_linear(x.data(), rows, weights.view());
        for (const auto& candidate : all) {
          std::vector<float> out(count_of(rows, outputs));
          candidate->linear(x.data(), rows, weights.view(), nullptr, Output::replace, out.data());
          // Widened to bf16, four bits times a scale keep eight of their bits.
          const bool may_widen = format == MatrixFormat::int4 && rows >= 8;
          check_close(std::string(candidate->name()) + " " + name_of(format) + " " +
                          std::to_string(rows) + " x " + std::to_string(inputs),
                      out, expected, may_widen ? 5e-3 : 4e-6);
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(kernels_are_found_by_name) {
  for (const std::string& name : device::cpu_kernels())
    BOOST_TEST(device::make_cpu_backend(1, name)->name() == name);
  BOOST_TEST(device::make_cpu_backend(1, "abacus") == nullptr);
}

BOOST_AUTO_TEST_CASE(embed_takes_rows_of_the_table) {
  Random random(2);
  for (const MatrixFormat format : kFormats)
    for (const std::int64_t columns : {1, 7, 8, 60, 64}) {
      const TestMatrix table(random, format, 11, columns);
      const std::int32_t tokens[] = {10, 0, 3, 3, 9};
      std::vector<double> expected;
      for (const std::int32_t token : tokens)
        for (std::int64_t i = 0; i < columns; ++i) expected.push_back(table.at(token, i));
      for (const auto& candidate : all) {
        std::vector<float> out(expected.size());
        candidate->embed(table.view(), tokens, 1.0f, out.data());
        check_close(candidate->name(), out, expected, 0);
        candidate->embed(table.view(), tokens, -2.0f, out.data());
        for (float& value : out) value /= -2.0f;
        check_close(std::string(candidate->name()) + " scaled", out, expected, 0);
      }
    }
}

BOOST_AUTO_TEST_CASE(rms_norm_divides_by_the_root_of_the_mean_square) {
  Random random(3);
  for (const std::int64_t columns : {1, 5, 8, 60, 96, 576})
    for (const std::int64_t rows : {1, 3, 70}) {
      const std::vector<float> x = random.values(rows * columns), weight = random.values(columns);
      const std::vector<float> old = random.values(rows * columns);
      for (const float offset : {0.0f, 1.0f}) {
        const device::Norm norm{weight.data(), 1e-5f, offset};
        std::vector<double> expected, added;
        for (std::int64_t row = 0; row < rows; ++row) {
          const auto normed = reference_norm(norm, x.data() + row * columns, columns);
          expected.insert(expected.end(), normed.begin(), normed.end());
        }
        for (std::size_t i = 0; i < old.size(); ++i) added.push_back(expected[i] + double{old[i]});
        for (const auto& candidate : all) {
          std::vector<float> out(x.size()), in_place = x, sum = old;
          candidate->rms_norm(x.data(), norm, rows, columns, Output::replace, out.data());
          check_close(candidate->name(), out, expected, 2e-6);
          candidate->rms_norm(in_place.data(), norm, rows, columns, Output::replace,
                              in_place.data());
          BOOST_TEST(in_place == out);
          candidate->rms_norm(x.data(), norm, rows, columns, Output::add, sum.data());
          check_close(std::string(candidate->name()) + " added", sum, added, 2e-6);
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(norm_heads_leaves_the_values_alone) {
  Random random(8);
  for (const std::int32_t dim : {2, 20, 64}) {
    const device::AttentionShape shape{.heads = 6, .kv_heads = 2, .head_dim = dim};
    const std::vector<float> q = random.values(dim), k = random.values(dim);
    const device::Norm norms[] = {{q.data(), 1e-6f, 0.0f}, {k.data(), 1e-6f, 1.0f}};
    for (const std::int64_t rows : {1, 9}) {
      const std::vector<float> qkv = random.values(rows * shape.qkv_columns());
      std::vector<double> expected;
      for (std::int64_t head = 0; head < rows * 10; ++head) {
        const float* from = qkv.data() + head * dim;
        const auto normed = head % 10 < 8 ? reference_norm(norms[head % 10 < 6 ? 0 : 1], from, dim)
                                          : std::vector<double>(from, from + dim);
        expected.insert(expected.end(), normed.begin(), normed.end());
      }
      for (const auto& candidate : all) {
        std::vector<float> out = qkv;
        candidate->norm_heads(shape, norms[0], norms[1], rows, out.data());
        check_close(candidate->name(), out, expected, 2e-6);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(gate_multiplies_by_the_activation) {
  Random random(4);
  const auto activate = [](io::Activation activation, double x) {
    if (activation == io::Activation::silu) return x / (1 + std::exp(-x));
    return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  for (const io::Activation activation : {io::Activation::silu, io::Activation::gelu_tanh})
    for (const std::int64_t columns : {1, 8, 13, 100, 1536})
      for (const std::int64_t rows : {1, 2, 40}) {
        std::vector<float> gate_up = random.values(rows * 2 * columns);
        for (std::size_t i = 0; i < gate_up.size(); i += 3)
          gate_up[i] *= 40;  // where exp saturates, too
        std::vector<double> expected;
        for (std::int64_t row = 0; row < rows; ++row)
          for (std::int64_t i = 0; i < columns; ++i) {
            const double gate = gate_up[static_cast<std::size_t>(row * 2 * columns + i)];
            const double up = gate_up[static_cast<std::size_t>(row * 2 * columns + columns + i)];
            expected.push_back(activate(activation, gate) * up);
          }
        for (const auto& candidate : all) {
          std::vector<float> out(count_of(rows, columns));
          candidate->gate(activation, gate_up.data(), rows, columns, out.data());
          check_close(candidate->name(), out, expected, 1e-6);
        }
      }
}

BOOST_AUTO_TEST_CASE(softcap_bends_towards_the_cap) {
  Random random(7);
  for (const std::int64_t count : {1, 8, 11, 40000})
    for (const float cap : {0.5f, 30.0f}) {
      std::vector<float> x = random.values(count);
      for (std::size_t i = 0; i < x.size(); i += 4) x[i] *= 1000;
      std::vector<double> expected;
      for (const float value : x)
        expected.push_back(double{cap} * std::tanh(double{value} / double{cap}));
      for (const auto& candidate : all) {
        std::vector<float> out = x;
        candidate->softcap(out.data(), count, cap);
        check_close(candidate->name(), out, expected, 1e-6);
      }
    }
}

BOOST_AUTO_TEST_CASE(gather_rows_works_in_place) {
  Random random(5);
  const std::vector<float> x = random.values(9 * 13);
  const std::int64_t indices[] = {0, 2, 3, 8};
  std::vector<double> expected;
  for (const std::int64_t index : indices)
    expected.insert(expected.end(), &x[index * 13], &x[index * 13] + 13);
  for (const auto& candidate : all) {
    std::vector<float> rows = x;
    candidate->gather_rows(rows.data(), indices, 13, rows.data());
    rows.resize(expected.size());
    check_close(candidate->name(), rows, expected, 0);
  }
}

BOOST_AUTO_TEST_CASE(rope_table_holds_cosines_then_sines) {
  constexpr float kMagnitude = 1.25f;
  for (const std::int32_t head_dim : {2, 20, 64, 128}) {
    std::vector<float> frequencies;
    for (std::int32_t i = 0; i < head_dim / 2; ++i)
      frequencies.push_back(static_cast<float>(std::pow(500000.0, -2.0 * i / head_dim)));
    const device::SequenceRows sequences[] = {{0, 3, 0, {}}, {3, 2, 500, {}}};
    std::vector<double> expected;
    for (const auto& sequence : sequences)
      for (std::int32_t row = 0; row < sequence.rows; ++row)
        for (const bool sine : {false, true})
          for (std::int32_t i = 0; i < head_dim / 2; ++i) {
            const double angle =
                (sequence.position + row) * std::pow(500000.0, -2.0 * i / head_dim);
            expected.push_back(double{kMagnitude} * (sine ? std::sin(angle) : std::cos(angle)));
          }
    for (const auto& candidate : all) {
      std::vector<float> table(expected.size());
      candidate->rope_table(frequencies, kMagnitude, sequences, table.data());
      check_close(candidate->name(), table, expected, 1e-4);  // angles of 500 in float
    }
  }
}

// Rotation (of all, some or none of a head's dimensions), storage and attention (over everything
// and within a window, capped and not) over shuffled pages that held other data before: a ragged
// batch of a prompt's later chunk, a first chunk, and single tokens, over several layers.
BOOST_AUTO_TEST_CASE(attention_sees_this_step_and_the_pages_before_it) {
  struct Case {
    std::int32_t heads, kv_heads, head_dim, rotary_dim, window;
    float softcap;
  };
  const Case cases[] = {{1, 1, 2, 2, 0, 0},    {3, 1, 20, 20, 1, 0},    {6, 6, 16, 0, 31, 0.7f},
                        {7, 1, 40, 30, 32, 0}, {9, 3, 64, 64, 0, 5.0f}, {9, 3, 64, 64, 45, 0},
                        {8, 2, 128, 96, 7, 1}, {100, 1, 4, 4, 33, 0},   {4, 2, 24, 24, 1000, 0}};
  struct Chunks {
    std::int32_t before, now;
  };
  // The second is long, and small enough for its tokens to be shared between threads.
  const std::vector<Chunks> batches[] = {{{0, 1}, {31, 1}, {32, 1}, {200, 1}, {0, 50}, {45, 70}},
                                         {{1700, 1}, {1290, 2}}};
  Random random(6);
  for (const Case& c : cases)
    for (std::size_t run = 0; run < std::size(kDTypes) * std::size(batches); ++run) {
      const io::DType dtype = kDTypes[run % std::size(kDTypes)];
      const std::vector<Chunks>& sequences = batches[run / std::size(kDTypes)];
      if (sequences.size() == 2 && c.heads > 9) continue;  // nothing new, for very long
      const device::AttentionShape shape{.heads = c.heads,
                                         .kv_heads = c.kv_heads,
                                         .head_dim = c.head_dim,
                                         .rotary_dim = c.rotary_dim,
                                         .scale = 1 / std::sqrt(static_cast<float>(c.head_dim)),
                                         .softcap = c.softcap,
                                         .window = c.window};
      device::AttentionShape unturned = shape;
      unturned.rotary_dim = 0;
      const kv::KvLayout layout{2, c.kv_heads, c.head_dim, dtype};
      std::int64_t rows = 0, most = 0, page_count = 0;
      for (const Chunks& s : sequences) {
        rows += s.now;
        most = std::max<std::int64_t>(most, s.before);
        page_count += kv::pages_for(s.before + s.now);
      }
      const std::vector<kv::PageId> pages =
          shuffled_pages(random, static_cast<std::int32_t>(page_count));
      const std::vector<float> table = random.values(rows * c.rotary_dim);
      const std::vector<float> qkv = random.values(rows * shape.qkv_columns());
      const std::vector<float> history = random.values(most * 2 * c.kv_heads * c.head_dim);
      for (const auto& candidate : all) {
        candidate->prepare(shape, {rows, shape.query_columns()});
        // What no token was written to is NaN, and must not matter.
        std::vector<std::byte> bytes(static_cast<std::size_t>(page_count * layout.page_bytes()),
                                     std::byte{0xff});
        const kv::KvStore store(layout, bytes.data());
        std::vector<device::SequenceRows> batch;
        std::size_t next_page = 0;
        std::int64_t next_row = 0;
        for (const Chunks& s : sequences) {
          const auto own = static_cast<std::size_t>(kv::pages_for(s.before + s.now));
          const std::span<const kv::PageId> view(pages.data() + next_page, own);
          next_page += own;
          if (s.before > 0) {
            std::vector<float> before(count_of(s.before, shape.qkv_columns()));
            for (std::int64_t row = 0; row < s.before; ++row)
              std::copy_n(&history[count_of(row, 2 * c.kv_heads * c.head_dim)],
                          2 * c.kv_heads * c.head_dim,
                          &before[count_of(row, shape.qkv_columns())] + shape.query_columns());
            const device::SequenceRows written[] = {{0, s.before, 0, view}};
            candidate->rope_and_store(unturned, written, nullptr, before.data(), store, 1);
          }
          batch.push_back({next_row, s.now, s.before, view});
          next_row += s.now;
        }
        std::vector<float> rotated = qkv, out(count_of(rows, shape.query_columns()));
        candidate->rope_and_store(shape, batch, c.rotary_dim > 0 ? table.data() : nullptr,
                                  rotated.data(), store, 1);
        candidate->attention(shape, batch, rotated.data(), store, 1, out.data());

        std::vector<double> turned, attended;
        for (std::int64_t row = 0; row < rows; ++row) {
          const std::int64_t half = c.rotary_dim / 2;
          for (std::int64_t head = 0; head < c.heads + 2 * c.kv_heads; ++head)
            for (std::int64_t d = 0; d < c.head_dim; ++d) {
              const float* from = &qkv[count_of(row, shape.qkv_columns())] + head * c.head_dim;
              if (d >= c.rotary_dim || head >= c.heads + c.kv_heads) {
                turned.push_back(double{from[d]});
                continue;
              }
              const float* turn = table.data() + row * c.rotary_dim;
              const double partner = d < half ? -double{from[d + half]} : double{from[d - half]};
              turned.push_back(double{from[d]} * double{turn[d % half]} +
                               partner * double{turn[half + d % half]});
            }
        }
        const std::string what = std::string(candidate->name()) + " " + io::dtype_name(dtype) +
                                 " " + std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) +
                                 " x " + std::to_string(c.head_dim);
        check_close(what + " rotation", rotated, turned, 1e-6);

        // Keys and values as the store holds them, of each sequence in turn.
        for (const auto& sequence : batch) {
          std::vector<float> keys, values;
          for (std::int64_t token = 0; token < sequence.position + sequence.rows; ++token)
            for (std::int32_t head = 0; head < c.kv_heads; ++head)
              for (std::int64_t d = 0; d < c.head_dim; ++d) {
                const kv::PageId page =
                    sequence.pages[static_cast<std::size_t>(token / kv::kPageTokens)];
                const std::int64_t element = token % kv::kPageTokens * c.head_dim + d;
                keys.push_back(plain_value(store.keys(page, 1, head), dtype, element));
                values.push_back(plain_value(store.values(page, 1, head), dtype, element));
                if (token < sequence.position) continue;
                const std::int64_t row = sequence.first_row + token - sequence.position;
                const double expected =
                    turned[count_of(row, shape.qkv_columns()) +
                           static_cast<std::size_t>((c.heads + head) * c.head_dim + d)];
                const double unit = dtype == io::DType::bf16  ? 1.0 / 256
                                    : dtype == io::DType::f16 ? 1.0 / 2048
                                                              : 1e-6;
                BOOST_REQUIRE(std::abs(double{keys.back()} - expected) <=
                              unit * std::abs(expected) + 1e-5);
              }
          for (std::int32_t row = 0; row < sequence.rows; ++row) {
            const std::int64_t index = sequence.first_row + row;
            const auto expected =
                reference_attention(shape, &rotated[count_of(index, shape.qkv_columns())], keys,
                                    values, sequence.position + row + 1);
            attended.insert(attended.end(), expected.begin(), expected.end());
          }
        }
        check_close(what + " attention", out, attended, dtype == io::DType::bf16 ? 3e-5 : 3e-6);
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()

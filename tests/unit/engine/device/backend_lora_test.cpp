// Low-rank terms of device/backend.hpp.
#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>

#include "unit/engine/device/backends.hpp"

using namespace gpumodel::test;

BOOST_FIXTURE_TEST_SUITE(backend_lora, Candidates)

BOOST_AUTO_TEST_CASE(add_lora_adds_each_part_in_its_columns) {
  Random random(12);
  // Outputs, and the rank, of each part; between them, columns that stay as they are.
  struct Case {
    std::int64_t inputs;
    std::vector<std::pair<std::int64_t, std::int64_t>> parts;
  };
  const Case cases[] = {{1, {{1, 1}}},
                        {40, {{17, 3}, {5, 8}, {5, 1}}},
                        {96, {{64, 16}, {33, 7}}},
                        {321, {{50, 33}, {200, 64}}}};
  for (const MatrixFormat format : kFormats)
    for (const auto& [inputs, parts] : cases) {
      std::int64_t ranks = 0, columns = 3;
      std::vector<TestMatrix> expanding;
      std::vector<device::LoraPart> term_parts;
      expanding.reserve(parts.size());
      for (const auto& [outputs, rank] : parts) {
        expanding.emplace_back(random, format, outputs, rank);
        term_parts.push_back(
            {expanding.back().view(), ranks, columns, 0.5f + static_cast<float>(ranks)});
        ranks += rank;
        columns += outputs + 2;
      }
      const TestMatrix shrinking(random, format, ranks, inputs);
      const device::LoraTerm term{shrinking.view(), term_parts};
      for (const std::int64_t rows : {1, 2, 5, 12, 37}) {
        const std::vector<float> x = random.values(rows * inputs),
                                 old = random.values(rows * columns);
        std::vector<double> expected(old.begin(), old.end());
        const std::vector<double> shrunk = reference_linear(x.data(), rows, term.a);
        for (std::int64_t row = 0; row < rows; ++row)
          for (std::size_t part = 0; part < term_parts.size(); ++part) {
            const device::LoraPart& own = term_parts[part];
            for (std::int64_t i = 0; i < own.b.rows; ++i)
              for (std::int64_t r = 0; r < own.b.columns; ++r)
                expected[count_of(row, columns) + static_cast<std::size_t>(own.first_column + i)] +=
                    double{own.scale} *
                    shrunk[count_of(row, ranks) + static_cast<std::size_t>(own.first_rank + r)] *
                    expanding[part].at(i, r);
          }
        for (const auto& candidate : all) {
          std::vector<float> out = old, scratch(count_of(rows, ranks));
          candidate->add_lora(x.data(), rows, term, scratch.data(), columns, out.data());
          check_close(std::string(candidate->name()) + " " + name_of(format) + " " +
                          std::to_string(rows) + " x " + std::to_string(inputs),
                      out, expected, 4 * product_tolerance(format, rows));
        }
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()

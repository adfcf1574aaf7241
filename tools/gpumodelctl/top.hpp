// `top`: everything at a glance, again and again, until somebody has seen enough.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gpumodelctl/programs.hpp"

namespace gpumodelctl {

// What the programs of a frame are sorted by; the key that chooses it is its letter.
enum class Order : char {
  age = 'a',
  tokens = 't',
  rate = 'r',
  user = 'u',
  model = 'm',
  pid = 'p',
};
// False where the key chooses none.
bool order_of(char key, Order& order);

// Most first where it is a figure, alphabetic where it is a name, and in the other direction with
// `reversed`. Equal ones keep their order.
void sort_programs(std::vector<ProgramRow>& rows, Order order, bool reversed);

// One frame of `status`, as at `now_ms` (since 1970).
std::string top_text(const nlohmann::ordered_json& status, Order order, bool reversed,
                     std::int64_t now_ms, const View& view);

struct TopCommand {
  std::string socket;
  bool json = false;
  double seconds = 1;
};
int run_top(const TopCommand& command);

}  // namespace gpumodelctl

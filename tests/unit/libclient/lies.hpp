// What no daemon may say, whatever the library waits for.
#pragma once

#include <gpumodel.h>

#include <string>
#include <vector>

#include "support/fake_daemon.hpp"

namespace gpumodel::test {

struct Lie {
  const char* name;
  std::string bytes;  // "" ends the connection
  gm_status expected;
};

inline std::string head32(unsigned char type, std::uint32_t length) {
  std::string bytes(1, static_cast<char>(type));
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(length >> shift));
  return bytes;
}

// `id` is the open request's.
inline std::vector<Lie> lies(std::uint32_t id) {
  const std::string bomb(100, '\x91');
  const std::string half =
      packed({1, id, nullptr, {{"text", std::string(500, 'x')}}}).substr(0, 100);
  return {
      {"end", "", GM_E_DISCONNECTED},
      {"half a message", half, GM_E_DISCONNECTED},
      {"garbage", "HTTP/1.1 400 Bad Request\r\n\r\n", GM_E_PROTOCOL},
      {"an unused byte", "\xc1", GM_E_PROTOCOL},
      {"a nested bomb", bomb, GM_E_PROTOCOL},
      {"64 M elements", std::string("\x94\x01").append(head32(0xdd, 0x04000000)), GM_E_PROTOCOL},
      {"a 4 GiB string", head32(0xdb, 0xffffffff), GM_E_PROTOCOL},
      {"no array", packed({{"a", 1}}), GM_E_PROTOCOL},
      {"an empty array", "\x90", GM_E_PROTOCOL},
      {"three elements", packed({1, id, nullptr}), GM_E_PROTOCOL},
      {"five elements", packed({1, id, nullptr, {{"a", 1}}, 0}), GM_E_PROTOCOL},
      {"a text as type", packed({"x", id, nullptr, {{"a", 1}}}), GM_E_PROTOCOL},
      {"type 3", packed({3, id, nullptr, {{"a", 1}}}), GM_E_PROTOCOL},
      {"a request", packed({0, 5, "models", {{{"a", 1}}}}), GM_E_PROTOCOL},
      {"an unknown number", packed({1, id + 1000, nullptr, {{"a", 1}}}), GM_E_PROTOCOL},
      {"a negative number", packed({1, -1, nullptr, {{"a", 1}}}), GM_E_PROTOCOL},
      {"a number of 64 bits", packed({1, 1ull << 40, nullptr, {{"a", 1}}}), GM_E_PROTOCOL},
      {"an error that is text", packed({1, id, "sorry", nullptr}), GM_E_PROTOCOL},
      {"an error without a code", packed({1, id, {{"message", "m"}}, nullptr}), GM_E_PROTOCOL},
      {"an error that is success", packed({1, id, {{"code", 0}}, nullptr}), GM_E_PROTOCOL},
      {"a result that is nil", packed({1, id, nullptr, nullptr}), GM_E_PROTOCOL},
      {"a result that is text", packed({1, id, nullptr, "x"}), GM_E_PROTOCOL},
      {"a result of wrong types",
       packed({1,
               id,
               nullptr,
               {{"leases", 5},
                {"text", 6},
                {"tokens", "x"},
                {"finish", 7},
                {"outcome", 8},
                {"models", 9},
                {"result", 10},
                {"protocol", "x"}}}),
       GM_E_PROTOCOL},
      {"params that are no map", packed({2, "generate.chunk", {5}}), GM_E_PROTOCOL},
      {"a stray chunk", packed({2, "generate.chunk", {{{"request", 999}, {"seq", 0}}}}),
       GM_E_PROTOCOL},
      {"a framing error", packed({1, 0, {{"code", -22}, {"message", "m"}}, nullptr}),
       GM_E_PROTOCOL},
      {"a refusal of the connection", packed({1, 0, {{"code", -25}, {"message", "m"}}, nullptr}),
       GM_E_QUOTA},
  };
}

}  // namespace gpumodel::test

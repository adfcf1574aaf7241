// The bytes of the host cache: one memfd per image, owned here, mapped by engines. Which images
// there are is the core's decision.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>

#include "core/types.hpp"
#include "os/fd.hpp"

namespace gpumodel::broker {

class HostImages {
 public:
  // What an engine is handed: a descriptor of its own, and what it needs to check the bytes.
  struct Handed {
    os::Fd fd;
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;  // of a complete image
    bool verify = false;         // the checksum is to be compared before it is used
  };

  // A new image, all zeros, in place of one that there was; nothing where the system refuses it.
  std::optional<Handed> create(core::WeightsId weights, std::uint64_t bytes);
  // It was filled, and this is what it holds.
  void complete(core::WeightsId weights, std::uint64_t checksum);
  // Nothing where there is no complete image.
  std::optional<Handed> hand_out(core::WeightsId weights) const;
  // An engine compared the checksum and found it right.
  void verified(core::WeightsId weights);
  // An engine has died: who knows what it did to what it had mapped.
  void doubt_all();
  // Of all images but these, as large as they may become.
  std::uint64_t bytes_without(const std::set<core::WeightsId>& some) const;
  // Its memory goes back to the system now, even if an engine still holds the descriptor.
  void drop(core::WeightsId weights);

 private:
  struct Image {
    os::Fd fd;
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> checksum;  // nothing: it is being filled
    bool doubted = false;
  };

  std::unordered_map<core::WeightsId, Image> images_;
};

}  // namespace gpumodel::broker

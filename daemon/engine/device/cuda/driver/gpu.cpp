#include "engine/device/cuda/driver/gpu.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <tuple>

#include "engine/device/cuda/driver/error.hpp"

namespace gpumodel::engine::device::cuda {
namespace {

constexpr int kMostNameBytes = 256;

std::string name_of(const Driver& driver, CUdevice device) {
  std::array<char, kMostNameBytes> text{};
  check(driver, driver.device_get_name(text.data(), kMostNameBytes - 1, device), "cuDeviceGetName");
  return text.data();
}

std::string pci_bus_id_of(const Driver& driver, CUdevice device) {
  std::array<char, kMostNameBytes> text{};
  check(driver, driver.device_get_pci_bus_id(text.data(), kMostNameBytes - 1, device),
        "cuDeviceGetPCIBusId");
  return normal_pci_bus_id(text.data());
}

std::string uuid_of(const Driver& driver, CUdevice device) {
  CUuuid uuid{};
  check(driver, driver.device_get_uuid(&uuid, device), "cuDeviceGetUuid");
  std::string text = "GPU-";
  for (std::size_t i = 0; i < sizeof uuid.bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    constexpr const char* kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(uuid.bytes[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool has(const Driver& driver, CUdevice device, CUdevice_attribute attribute) {
  int value = 0;
  check(driver, driver.device_get_attribute(&value, attribute, device), "cuDeviceGetAttribute");
  return value != 0;
}

Gpu describe(const Driver& driver, CUdevice device) {
  std::size_t total_bytes = 0;
  check(driver, driver.device_total_mem(&total_bytes, device), "cuDeviceTotalMem");
  return {
      .device = device,
      .name = name_of(driver, device),
      .uuid = uuid_of(driver, device),
      .pci_bus_id = pci_bus_id_of(driver, device),
      .total_bytes = total_bytes,
      .maps_memory = has(driver, device, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
      .exports_memory =
          has(driver, device, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED)};
}

}  // namespace

std::string normal_pci_bus_id(std::string_view text) {
  unsigned domain = 0, bus = 0, slot = 0, function = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4) return copy;
  std::array<char, 48> normal{};
  std::snprintf(normal.data(), normal.size(), "%08X:%02X:%02X.%X", domain, bus, slot, function);
  return normal.data();
}

std::vector<Gpu> list_gpus(const Driver& driver) {
  int count = 0;
  check(driver, driver.device_get_count(&count), "cuDeviceGetCount");
  std::vector<Gpu> gpus;
  for (int i = 0; i < count; ++i) {
    CUdevice device = 0;
    check(driver, driver.device_get(&device, i), "cuDeviceGet");
    gpus.push_back(describe(driver, device));
  }
  // Written alike, addresses are in order where their texts are; the slices of a GPU share one.
  std::sort(gpus.begin(), gpus.end(), [](const Gpu& a, const Gpu& b) {
    return std::tie(a.pci_bus_id, a.device) < std::tie(b.pci_bus_id, b.device);
  });
  return gpus;
}

}  // namespace gpumodel::engine::device::cuda

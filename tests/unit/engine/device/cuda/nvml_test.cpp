#include "engine/device/cuda/nvml/nvml.hpp"

#include <boost/test/unit_test.hpp>

#include "support/simulated_nvml.hpp"

namespace nvml = gpumodel::engine::device::cuda::nvml;
using gpumodel::tests::SimulatedNvml;
using std::chrono::milliseconds;

namespace {

constexpr unsigned long long kGiB = 1ull << 30;

SimulatedNvml::Gpu gpu(const std::string& uuid, const std::string& bus) {
  SimulatedNvml::Gpu made;
  made.uuid = uuid;
  made.pci_bus_id = bus;
  made.name = "NVIDIA Simulated";
  made.memory = {80 * kGiB, 79 * kGiB, kGiB};
  made.events = nvml::kEventXid | nvml::kEventDoubleBitEcc | 0x100;
  return made;
}

// As the bus numbers them, "GPU-b" comes first.
struct TwoGpus {
  SimulatedNvml simulated{{gpu("GPU-a", "00000000:81:00.0"), gpu("GPU-b", "00000000:01:00.0")}};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(nvml_readings, TwoGpus)

BOOST_AUTO_TEST_CASE(gpus_come_in_the_order_of_the_bus) {
  const nvml::Nvml api(simulated.table());
  const auto gpus = api.gpus();
  BOOST_REQUIRE(gpus.size() == 2u);
  BOOST_TEST(gpus[0].uuid == "GPU-b");
  BOOST_TEST(gpus[0].pci_bus_id == "00000000:01:00.0");
  BOOST_TEST(gpus[0].name == "NVIDIA Simulated");
  BOOST_TEST(gpus[0].total_bytes == 80 * kGiB);
  BOOST_TEST(gpus[0].used_bytes == kGiB);
  BOOST_TEST(gpus[1].uuid == "GPU-a");
}

BOOST_AUTO_TEST_CASE(a_lost_gpu_is_left_out_and_the_others_stay) {
  simulated.gpus[1].is_lost = true;
  const nvml::Nvml api(simulated.table());
  BOOST_REQUIRE(api.gpus().size() == 1u);
  BOOST_TEST(api.gpus()[0].uuid == "GPU-a");
  BOOST_TEST(!api.processes("GPU-b"));
}

BOOST_AUTO_TEST_CASE(a_process_in_both_lists_has_its_memory_once) {
  simulated.gpus[0].computing = {{7, 5 * kGiB, 0, 0}, {9, nvml::kValueNotAvailable, 0, 0}};
  simulated.gpus[0].drawing = {{7, 5 * kGiB, 0, 0}, {8, kGiB, 0, 0}};
  const nvml::Nvml api(simulated.table());
  const auto processes = api.processes("GPU-a");
  BOOST_REQUIRE(processes.has_value());
  BOOST_REQUIRE(processes->size() == 3u);
  BOOST_TEST((*processes)[0].pid == 7);
  BOOST_TEST(((*processes)[0].used_bytes == 5 * kGiB));
  BOOST_TEST((*processes)[1].pid == 8);
  BOOST_TEST((*processes)[2].pid == 9);
  BOOST_TEST(!(*processes)[2].used_bytes);
  BOOST_TEST(!api.processes("GPU-c"));
}

BOOST_AUTO_TEST_CASE(a_list_that_grows_while_it_is_read_comes_whole_or_not_at_all) {
  for (unsigned pid = 1; pid <= 300; ++pid) simulated.gpus[0].computing.push_back({pid, 1, 0, 0});
  const nvml::Nvml api(simulated.table());
  const auto processes = api.processes("GPU-a");
  BOOST_REQUIRE(processes.has_value());
  BOOST_TEST(processes->size() == 300u);
  simulated.arriving = 40000;  // faster than anybody asks
  BOOST_TEST(!api.processes("GPU-a"));
}

BOOST_AUTO_TEST_CASE(where_processes_are_not_told_they_are_absent_and_not_none) {
  simulated.failures["device_get_compute_processes"] = nvml::kNoPermission;
  const nvml::Nvml api(simulated.table());
  BOOST_TEST(!api.processes("GPU-a"));
}

BOOST_AUTO_TEST_CASE(without_lists_of_drawing_processes_the_computing_ones_stand) {
  simulated.gpus[0].computing = {{7, kGiB, 0, 0}};
  simulated.failures["device_get_graphics_processes"] = nvml::kNotSupported;
  const nvml::Nvml api(simulated.table());
  BOOST_TEST(api.processes("GPU-a").value().size() == 1u);
}

BOOST_AUTO_TEST_CASE(events_name_their_gpu_and_their_kind) {
  nvml::Nvml api(simulated.table());
  BOOST_TEST(!api.next_event(milliseconds(0)));
  BOOST_TEST(simulated.gpus[0].registered == (nvml::kEventXid | nvml::kEventDoubleBitEcc));
  simulated.events = {{0, nvml::kEventXid, 79}, {1, nvml::kEventDoubleBitEcc, 3}};
  const auto xid = api.next_event(milliseconds(0));
  BOOST_REQUIRE(xid.has_value());
  BOOST_TEST((xid->kind == nvml::GpuEvent::Kind::xid));
  BOOST_TEST(xid->uuid == "GPU-a");
  BOOST_TEST(xid->xid == 79u);
  const auto ecc = api.next_event(milliseconds(0));
  BOOST_REQUIRE(ecc.has_value());
  BOOST_TEST((ecc->kind == nvml::GpuEvent::Kind::uncorrected_ecc));
  BOOST_TEST(ecc->uuid == "GPU-b");
  BOOST_TEST(ecc->xid == 0u);
  BOOST_TEST(!api.next_event(milliseconds(-1)));
}

BOOST_AUTO_TEST_CASE(registering_that_fails_leaves_no_set_and_is_tried_again) {
  nvml::Nvml api(simulated.table());
  simulated.failures["device_register_events"] = nvml::kNoPermission;
  BOOST_CHECK_THROW(api.next_event(milliseconds(0)), nvml::NvmlError);
  BOOST_TEST(simulated.event_sets == 0);
  simulated.failures.clear();
  simulated.events = {{0, nvml::kEventXid, 13}};
  BOOST_TEST(api.next_event(milliseconds(0)).value().xid == 13u);
}

BOOST_AUTO_TEST_CASE(an_error_says_which_call_and_why_and_nothing_stays_open) {
  {
    nvml::Nvml api(simulated.table());
    api.next_event(milliseconds(0));
    simulated.failures["device_get_count"] = 999;
    BOOST_CHECK_EXCEPTION(api.gpus(), nvml::NvmlError, [](const nvml::NvmlError& error) {
      return error.code() == 999 &&
             std::string(error.what()) == "nvmlDeviceGetCount: as the test said";
    });
    BOOST_TEST(simulated.users == 1);
  }
  BOOST_TEST(simulated.users == 0);
  BOOST_TEST(simulated.event_sets == 0);
  simulated.failures["init"] = 9;
  BOOST_CHECK_THROW(nvml::Nvml{simulated.table()}, nvml::NvmlError);
  BOOST_TEST(simulated.users == 0);
}

BOOST_AUTO_TEST_CASE(without_nvml_there_is_a_reason) {
  const auto opened = nvml::open_library("libno-such-nvml.so.1");
  BOOST_REQUIRE(std::holds_alternative<nvml::NoLibrary>(opened));
  BOOST_TEST(std::get<nvml::NoLibrary>(opened).why.find("libno-such-nvml.so.1") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

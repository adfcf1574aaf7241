#include "engine/memory/machine.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace memory = gpumodel::engine::memory;

namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;

// A folder that looks like /proc.
class Proc {
 public:
  Proc() {
    std::string name = (std::filesystem::temp_directory_path() / "gpumodel-proc-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    write("meminfo",
          "MemTotal:       16000000 kB\nMemFree:          100000 kB\n"
          "MemAvailable:    4000000 kB\nShmem:            500000 kB\n");
    write("uptime", "1 1\n");
    std::filesystem::create_directory(path_ / "irq");
  }
  ~Proc() { std::filesystem::remove_all(path_); }

  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  void process(int pid, const std::string& name, int uid, std::uint64_t anon_kib,
               std::uint64_t file_kib = 0, std::uint64_t shmem_kib = 0) const {
    const auto line = [](const char* key, std::uint64_t kib) {
      return std::string(key) + ":\t" + std::to_string(kib) + " kB\n";
    };
    const std::string id = std::to_string(uid);
    write(std::to_string(pid) + "/status",
          "Name:\t" + name + "\nState:\tS (sleeping)\nUid:\t0\t" + id + "\t" + id + "\t" + id +
              "\n" + line("VmRSS", anon_kib + file_kib + shmem_kib) + line("RssAnon", anon_kib) +
              line("RssFile", file_kib) + line("RssShmem", shmem_kib));
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(machine)

BOOST_AUTO_TEST_CASE(names_the_largest_of_the_others) {
  const Proc proc;
  proc.process(10, "small", 1000, 10);
  proc.process(11, "python3", 1001, 5000, 100, 20);
  proc.process(12, "gpumodel-engine", 998, 900000, 50000, 7);
  proc.process(13, "kworker/0:1", 0, 0);
  proc.write("13/status", "Name:\tkworker/0:1\nUid:\t0\t0\t0\t0\n");  // of the kernel: no VmRSS
  proc.process(14, "large", 1002, 700);
  const auto found = memory::read_machine_memory(proc.path(), {12}, 2);
  BOOST_TEST(found.total_bytes == 16000000 * kKiB);
  BOOST_TEST(found.available_bytes == 4000000 * kKiB);
  BOOST_TEST(found.ours_bytes == 900007 * kKiB);  // what is of files comes back by itself
  BOOST_TEST_REQUIRE(found.holders.size() == 2u);
  BOOST_TEST(found.holders[0].pid == 11);
  BOOST_TEST(found.holders[0].uid == 1001u);
  BOOST_TEST(found.holders[0].command == "python3");
  BOOST_TEST(found.holders[0].resident_bytes == 5120 * kKiB);
  BOOST_TEST(found.holders[1].command == "large");
}

BOOST_AUTO_TEST_CASE(foreign_is_what_is_neither_available_nor_ours) {
  memory::MachineMemory found;
  found.available_bytes = 30;
  found.ours_bytes = 20;
  BOOST_TEST(found.foreign_bytes(100) == 50u);
  BOOST_TEST(found.foreign_bytes(50) == 0u);
  BOOST_TEST(found.foreign_bytes(10) == 0u);
}

BOOST_AUTO_TEST_CASE(a_process_that_ended_is_left_out) {
  const Proc proc;
  proc.process(10, "there", 1, 10);
  std::filesystem::create_directory(proc.path() + "/11");  // listed, and then its files are gone
  proc.write("12/status", "");
  const auto found = memory::read_machine_memory(proc.path(), {11, 99}, 8);
  BOOST_TEST_REQUIRE(found.holders.size() == 1u);
  BOOST_TEST(found.holders[0].command == "there");
  BOOST_TEST(found.ours_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(odd_statuses_are_no_harm) {
  const Proc proc;
  proc.write("10/status", "Uid:\t");
  proc.write("11/status", "Name:\tx\nUid:\nVmRSS:\t5 kB\n");
  proc.write("12/status", "Name:\tVmRSS: 7 kB\nUid:\t3\nVmRSS:\tmuch kB\n");
  proc.write("13/status", "Name:\nUid:\t0\t7\t7\t7\nVmRSS:\t5 kB");
  const auto found = memory::read_machine_memory(proc.path(), {}, 8);
  const auto named = [&](std::int64_t pid) {
    return std::find_if(found.holders.begin(), found.holders.end(),
                        [&](const memory::MemoryHolder& holder) { return holder.pid == pid; });
  };
  BOOST_TEST((named(10) == found.holders.end()));
  BOOST_TEST((named(12) == found.holders.end()));
  BOOST_TEST_REQUIRE((named(13) != found.holders.end()));
  BOOST_TEST(named(13)->uid == 7u);
}

BOOST_AUTO_TEST_CASE(a_meminfo_without_what_is_needed_is_an_error) {
  const Proc proc;
  proc.write("meminfo", "MemTotal: 5 kB\n");
  BOOST_CHECK_THROW(memory::read_machine_memory(proc.path(), {}, 8), std::system_error);
  std::filesystem::remove(proc.path() + "/meminfo");
  BOOST_CHECK_THROW(memory::read_machine_memory(proc.path(), {}, 8), std::system_error);
}

BOOST_AUTO_TEST_CASE(of_this_machine_it_counts_what_we_take) {
  const auto ours = [] { return memory::read_machine_memory("/proc", {::getpid()}, 8); };
  const auto before = ours();
  BOOST_TEST(before.total_bytes > 0u);
  BOOST_TEST(before.available_bytes <= before.total_bytes);
  BOOST_TEST(before.ours_bytes > 0u);
  void* block = ::mmap(nullptr, 32 * kMiB, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  BOOST_REQUIRE(block != MAP_FAILED);
  std::memset(block, 1, 32 * kMiB);
  // The kernel gathers its counts in batches of some pages per thread.
  BOOST_TEST(ours().ours_bytes > before.ours_bytes + 30 * kMiB);
  ::munmap(block, 32 * kMiB);
}

BOOST_AUTO_TEST_SUITE_END()

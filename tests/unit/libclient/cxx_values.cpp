// Compiled without exceptions: the try_ functions alone are there, and do everything. Leases the
// model named, streams a prompt to standard output, and says what became of it.
#include <cstdio>
#include <gpumodel.hpp>
#include <type_traits>
#include <utility>

static_assert(!GPUMODEL_EXCEPTIONS);

template <class T, class = void>
struct throws : std::false_type {};
template <class T>
struct throws<T, std::void_t<decltype(T::open())>> : std::true_type {};
static_assert(!throws<gpumodel::Client>::value);

namespace {

int fail(const char* what, const gpumodel::Error& error) {
  std::printf("%s: %s\n", what, error.what());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  gpumodel::ClientOptions options;
  options.on_event = [](const gpumodel::Event& event) {
    if (event.type == gpumodel::EventType::draining) std::printf("draining\n");
  };
  gpumodel::Result<gpumodel::Client> client = gpumodel::Client::try_open(options);
  if (!client) return fail("open", client.error());
  gpumodel::Result<gpumodel::Lease> lease = client->try_acquire(argv[1]);
  if (!lease) return fail("acquire", lease.error());
  gpumodel::Result<gpumodel::Stream> stream = lease->try_stream("x");
  if (!stream) return fail("stream", stream.error());
  for (const gpumodel::Result<gpumodel::Chunk>& chunk : stream->try_chunks()) {
    if (!chunk) return fail("chunk", chunk.error());
    std::printf("%.*s\n", static_cast<int>(chunk->text.size()), chunk->text.data());
  }
  const auto report = lease->try_release();
  if (!report) return fail("release", report.error());
  std::printf("released\n");
  return 0;
}

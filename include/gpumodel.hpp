// gpumodel.hpp - libgpumodel for C++17: owners, ranges, errors as exceptions or as values.
//
//     gpumodel::Client client = gpumodel::Client::open();
//     gpumodel::Lease lease = client.acquire("concept");
//     for (const gpumodel::Chunk& chunk : lease.stream("Name the entities of this schema: ..."))
//       std::cout << chunk.text;
//     lease.release();  // the memory is measured free on return
//
// Headers only, over gpumodel.h: link libgpumodel. What gpumodel.h says of threads, waiting, fork()
// and the order in which handles may be freed holds here; this one adds:
// - Client, Lease and Stream own their handle and move. Their destructors free it and never wait.
//   One that is empty, since nothing was put in or it was moved from, answers GM_E_INVALID.
// - Every function that can fail comes twice. open() throws Error; try_open() gives a Result, which
//   holds either the value or the Error. Under -fno-exceptions the try_ functions alone are there.
// - What is not ready within a Timeout is a value, not an error: std::nullopt, false, Next::again.
// - A text of a std::string_view may hold a NUL byte only in stream(), tokenize() and Tool;
// elsewhere
//   it is GM_E_INVALID, since nothing is cut in silence.
// - Memory of this header's own that cannot be had is std::bad_alloc, as everywhere in C++.
#pragma once

#include "gpumodel/client.hpp"   // IWYU pragma: export
#include "gpumodel/lease.hpp"    // IWYU pragma: export
#include "gpumodel/options.hpp"  // IWYU pragma: export
#include "gpumodel/result.hpp"   // IWYU pragma: export
#include "gpumodel/stream.hpp"   // IWYU pragma: export

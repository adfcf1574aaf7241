// What unloading measured, of however many arenas.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>

#include "engine/memory/arena.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::engine::server {

std::uint64_t milliseconds_since(std::chrono::steady_clock::time_point begun);

// Releases them and sums up; the process's resident bytes are the caller's to add.
wire::UnloadResult release_arenas(std::initializer_list<memory::Arena*> arenas);

}  // namespace gpumodel::engine::server

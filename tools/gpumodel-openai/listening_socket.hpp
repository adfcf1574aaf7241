// Sockets that the server listens on.
#pragma once

#include <string>

namespace gpumodel_openai {

// A Unix socket for its owner alone, in place of one that nobody listens on any more. Throws
// std::system_error, and std::runtime_error where somebody does.
int listen_on_path(const std::string& path);

// "127.0.0.1:PORT" or "[::1]:PORT"; port 0: any that is free. Throws std::runtime_error for what is
// not loopback, std::system_error.
int listen_on_loopback(const std::string& address);

// HOST:PORT as it is bound, for people.
std::string bound_address(int fd);

}  // namespace gpumodel_openai

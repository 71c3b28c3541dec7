#include "examples/support/output.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <tessera/io/file.hpp>

namespace tessera::examples {

void check_writable(const std::string& path) {
  if (path.empty() || path == "-") return;
  struct stat info {};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) throw io_error(printable(path) + ": is a folder; name a file");
  if (!exists || S_ISREG(info.st_mode)) const AtomicFile tried(path);  // begun, given up
}

void write_stdout(std::span<const std::uint8_t> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0)
    throw io_error(std::string("standard output: ") + std::strerror(errno));
}

}  // namespace tessera::examples

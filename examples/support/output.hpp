// Where programs put what they make.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace tessera::examples {

/// Throws io_error when the file cannot be made or replaced: better said before the work than after. "-" and "" are
/// fine.
void check_writable(const std::string& path);

/// Everything, to standard output. Throws io_error.
void write_stdout(std::span<const std::uint8_t> bytes);

}  // namespace tessera::examples

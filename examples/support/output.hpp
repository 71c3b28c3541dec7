// Where programs take what to make from, and where they put it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::examples {

/// Throws io_error when the file cannot be made or replaced: better said before the work than after. "-" and "" are
/// fine.
void check_writable(const std::string& path);

/// The lines of a file but for empty ones, at most 4 MiB; "-" is standard input. Throws io_error, also for none: `what`
/// says what each should have been, as "prompt".
std::vector<std::string> read_lines(const std::string& path, const std::string& what);

/// One file name for each of `count` from a pattern with %d or %03d. Throws argument_error for another pattern, or one
/// without for several, which are `what`s, as "picture".
std::vector<std::string> output_names(const std::string& pattern, std::size_t count, const std::string& what);

/// Everything, to standard output. Throws io_error.
void write_stdout(std::span<const std::uint8_t> bytes);

}  // namespace tessera::examples

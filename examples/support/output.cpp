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

std::vector<std::string> read_lines(const std::string& path, const std::string& what) {
  const Bytes bytes = read_file(path == "-" ? "/dev/stdin" : path, std::uint64_t{4} << 20);
  std::vector<std::string> lines(1);
  for (const std::uint8_t b : bytes) {
    if (b == '\n')
      lines.emplace_back();
    else if (b != '\r')
      lines.back() += static_cast<char>(b);
  }
  std::erase_if(lines, [](const std::string& line) { return line.find_first_not_of(" \t") == std::string::npos; });
  if (lines.empty())
    throw io_error((path == "-" ? std::string("standard input") : printable(path)) + ": no " + what + " in it");
  return lines;
}

std::vector<std::string> output_names(const std::string& p, std::size_t count, const std::string& what) {
  if (p == "-") {
    if (count != 1) throw argument_error("standard output takes one " + what + ", not " + std::to_string(count));
    return {p};
  }
  // One of %d, %3d, %03d; %% is a percent sign. Never handed to printf.
  std::vector<std::string> names;
  for (std::size_t n = 0; n < count; ++n) {
    std::string name;
    int numbers = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (p[i] != '%') {
        name += p[i];
        continue;
      }
      if (i + 1 < p.size() && p[i + 1] == '%') {
        name += '%';
        ++i;
        continue;
      }
      std::size_t end = i + 1;
      const char fill = end < p.size() && p[end] == '0' ? '0' : ' ';
      std::size_t width = 0;
      while (end < p.size() && p[end] >= '0' && p[end] <= '9' && width < 20)
        width = width * 10 + static_cast<std::size_t>(p[end++] - '0');
      if (end >= p.size() || p[end] != 'd' || width > 20 || ++numbers > 1)
        throw argument_error("output " + quoted(p, 80) + ": one %d, as in %03d, for the number; %% for a percent sign");
      const std::string digits = std::to_string(n);
      if (digits.size() < width) name.append(width - digits.size(), fill);
      name += digits;
      i = end;
    }
    if (count > 1 && numbers == 0)
      throw argument_error("output " + quoted(p, 80) + " is one name for " + std::to_string(count) + " " + what +
                           "s; put %03d into it");
    names.push_back(std::move(name));
  }
  return names;
}

void write_stdout(std::span<const std::uint8_t> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0)
    throw io_error(std::string("standard output: ") + std::strerror(errno));
}

}  // namespace tessera::examples

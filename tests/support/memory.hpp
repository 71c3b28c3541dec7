// How much memory something takes at most, measured in a process of its own.
#pragma once

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

namespace test {

/// KB that /proc/self/status has under `field`.
inline double kilobytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::atof(line.c_str() + field.size() + 1);
  }
  return 0;
}

/// By how many bytes resident memory grows at most while f runs, whatever it throws. None where that cannot be said:
/// under a sanitizer, which keeps books of its own. f must not use threads.
template <class Function>
std::optional<double> peak_growth(const Function& f) {
#if defined(__SANITIZE_ADDRESS__)
  return std::nullopt;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return std::nullopt;
#endif
#endif
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    mallopt(M_MMAP_THRESHOLD, 1 << 17);  // large blocks go back at once, whatever the tests before did
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << 5;  // the peak begins anew
    const double before = kilobytes("VmRSS");
    try {
      f();
    } catch (...) {}
    const double grown = 1024 * (kilobytes("VmHWM") - before);
    _exit(write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  close(ends[1]);
  double grown = 0;
  const bool told = child > 0 && read(ends[0], &grown, sizeof grown) == sizeof grown;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  if (!told) return std::nullopt;
  return grown;
}

}  // namespace test

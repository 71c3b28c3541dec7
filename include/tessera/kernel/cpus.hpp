// How many threads to use: TESSERA_THREADS, else the CPUs this process may run on (its affinity), cut by the
// container's quota (control groups, version 1 or 2). A quota of 1.5 CPUs gives 2 threads: idle quota is lost, a
// throttled thread is not.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace tessera::workers {

inline constexpr int max_threads = 256;

/// ceil(quota / period) of the narrowest CPU limit on the way from a control group up to its root; 0 when there is
/// none. `version` 2 reads `cpu.max`, version 1 `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
inline int group_quota(const char* root, const char* group, int version) {
  const auto read = [](const char* folder, const char* file, long long& a,
                       long long& b) {  // how many numbers there are
    char path[1200];
    std::snprintf(path, sizeof path, "%s/%s", folder, file);
    std::FILE* f = std::fopen(path, "re");
    if (!f) return 0;
    const int numbers = std::fscanf(f, "%lld %lld", &a, &b);
    std::fclose(f);
    return numbers;
  };
  char folder[1100];
  std::snprintf(folder, sizeof folder, "%s%s", root, group);
  int least = 0;
  for (const std::size_t top = std::strlen(root); std::strlen(folder) >= top;) {
    long long quota = -1, period = 0, unused = 0;
    const bool limited = version == 2 ? read(folder, "cpu.max", quota, period) == 2  // "max 100000": no limit
                                      : read(folder, "cpu.cfs_quota_us", quota, unused) == 1 &&
                                            read(folder, "cpu.cfs_period_us", period, unused) == 1;
    if (limited && quota > 0 && period > 0) {
      const long long cpus = (quota - 1) / period + 1;
      if (cpus <= max_threads && (least == 0 || cpus < least)) least = static_cast<int>(cpus);
    }
    char* slash = std::strrchr(folder, '/');
    if (!slash || std::strlen(folder) == top) break;
    *slash = '\0';
  }
  return least;
}

/// The container's CPU limit, 0 when there is none. Reads `/proc/self/cgroup` (or a file like it) for the group's name.
inline int quota(const char* groups = "/proc/self/cgroup", const char* mount = "/sys/fs/cgroup") {
  int least = 0;
  const auto take = [&least](int cpus) { least = cpus > 0 && (least == 0 || cpus < least) ? cpus : least; };
  std::FILE* f = std::fopen(groups, "re");
  if (!f) return 0;
  char line[1100];
  while (std::fgets(line, sizeof line, f)) {  // "0::/group" is version 2; "4:cpu,cpuacct:/group" version 1
    line[std::strcspn(line, "\n")] = '\0';
    char* controllers = std::strchr(line, ':');
    char* group = controllers ? std::strchr(controllers + 1, ':') : nullptr;
    if (!group) continue;
    *group++ = '\0';
    if (std::strcmp(group, "/") == 0) *group = '\0';
    char root[256], list[1104];
    std::snprintf(list, sizeof list, ",%s,", controllers + 1);
    if (std::strcmp(list, ",,") == 0) {
      for (const char* place : {"", "/unified"}) {
        std::snprintf(root, sizeof root, "%s%s", mount, place);
        take(group_quota(root, group, 2));
      }
    } else if (std::strstr(list, ",cpu,")) {
      for (const char* place : {"cpu", static_cast<const char*>(controllers + 1)}) {
        std::snprintf(root, sizeof root, "%s/%s", mount, place);
        take(group_quota(root, group, 1));
      }
    }
  }
  std::fclose(f);
  return least;
}

/// TESSERA_THREADS if it is a number from 1 to 256; anything else is 0.
inline int requested(const char* text) {
  if (!text || *text < '0' || *text > '9') return 0;
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  return *end == '\0' && n >= 1 && n <= max_threads ? static_cast<int>(n) : 0;
}

/// The CPUs this process may run on, at most the container's quota; from 1 to 256.
inline int available_cpus() {
  long cpus = 0;
#if defined(__linux__)
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) cpus = CPU_COUNT(&allowed);
#endif
  if (cpus < 1) cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (const int limit = quota(); limit > 0 && limit < cpus) cpus = limit;
  return static_cast<int>(cpus < 1 ? 1 : cpus > max_threads ? max_threads : cpus);
}

}  // namespace tessera::workers

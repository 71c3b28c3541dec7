// One side of bench/generation/compare.py.
//
//   generation list                       names, units, items a step and fixtures of all subjects
//   generation NAME fixture FILE          weights for both sides to start from
//   generation NAME run FILE OUT SECONDS  what it computes, to OUT, then as many steps as fit into the time: items a second,
//                                         and the greatest memory, in MiB
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/generation/subject.hpp"

using namespace generation;

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void run(const Entry& e, const char* path, const char* out, double seconds) {
  const Subject s = e.load(Safetensors::read(path));
  Safetensors result;
  result.put("result", s.result());
  result.write(out);
  double start = seconds_now(), passed = 0, count = 0;
  for (int i = 0; i < 3 && seconds_now() - start < seconds; ++i) s.step();
  start = seconds_now();
  while (passed < seconds || (count < 3 && passed < 10 * seconds)) {
    s.step();
    ++count;
    passed = seconds_now() - start;
  }
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  std::printf("rate %.6g\nmemory %.6g\n", count * e.items / passed, static_cast<double>(used.ru_maxrss) / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Entry> all;
  for (const auto& more : {gpts(), wavenets(), pictures(), latents()}) all.insert(all.end(), more.begin(), more.end());
  if (argc == 2 && std::strcmp(argv[1], "list") == 0) {
    for (const Entry& e : all) std::printf("%s %s %g %s\n", e.name, e.unit, e.items, e.fixture);
    return 0;
  }
  for (const Entry& e : all) {
    if (argc < 4 || std::strcmp(argv[1], e.name) != 0) continue;
    if (std::strcmp(argv[2], "fixture") == 0) {
      Safetensors file;
      e.save(file);
      file.write(argv[3]);
      return 0;
    }
    if (std::strcmp(argv[2], "run") == 0 && argc == 6) return run(e, argv[3], argv[4], std::atof(argv[5])), 0;
  }
  std::fprintf(stderr, "generation list | generation NAME fixture FILE | generation NAME run FILE OUT SECONDS\n");
  return 2;
}

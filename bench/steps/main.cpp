// One side of bench/steps/compare.py.
//
//   steps list                            names, units and items of all subjects
//   steps NAME fixture FILE               weights and data, for both sides to start from
//   steps NAME run FILE LOSSES SECONDS    so many steps' losses, then as many steps as fit into the time: items a second,
//                                         peak memory
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/steps/step.hpp"

using namespace steps;

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void run(const Entry& e, const char* path, int losses, double seconds) {
  const auto step = e.make();
  step->load(Safetensors::read(path));
  std::printf("losses");
  for (int i = 0; i < losses; ++i) std::printf(" %.7g", (*step)());
  const double start = seconds_now();
  double passed = 0, count = 0;
  while (passed < seconds || count < 3) {
    (*step)();
    ++count;
    passed = seconds_now() - start;
  }
  rusage used;
  ::getrusage(RUSAGE_SELF, &used);
  std::printf("\nrate %.6g\nmemory %.0f\n", count * e.items / passed, static_cast<double>(used.ru_maxrss) / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  const Entry all[] = {gpt(), unet(), dit(), dcgan(), vae(), vqvae(), realnvp(), wavenet(), mlp()};
  if (argc == 2 && std::strcmp(argv[1], "list") == 0) {
    for (const Entry& e : all) std::printf("%s %s %g\n", e.name, e.unit, e.items);
    return 0;
  }
  for (const Entry& e : all) {
    if (argc < 4 || std::strcmp(argv[1], e.name) != 0) continue;
    if (std::strcmp(argv[2], "fixture") == 0) {
      Safetensors file;
      e.make()->save(file);
      file.write(argv[3]);
      return 0;
    }
    if (std::strcmp(argv[2], "run") == 0 && argc == 6)
      return run(e, argv[3], std::atoi(argv[4]), std::atof(argv[5])), 0;
  }
  std::fprintf(stderr, "steps list | steps NAME fixture FILE | steps NAME run FILE LOSSES SECONDS\n");
  return 2;
}

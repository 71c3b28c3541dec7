// The C++ side of bench/ops/compare.py.
//
//   ops list                 names, units, sides
//   ops NAME SIDE SECONDS    work a second in the unit, and two sums of the result
//
// One side a process: the peers keep threads of their own, which spin for a while after each call and would take a
// core from whoever comes next.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/ops/op.hpp"

using namespace ops;

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void run(const Op& op, const Side& side, double seconds) {
  side.run();
  std::vector<double> times;
  const double end = seconds_now() + seconds;
  while (times.size() < 5 || seconds_now() < end) {
    // As many runs as make 2 ms, so that the clock does not matter.
    const double start = seconds_now();
    double passed = 0;
    int count = 0;
    while (passed < 2e-3) {
      side.run();
      ++count;
      passed = seconds_now() - start;
    }
    times.push_back(passed / count);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  const Sums sums(side.result());
  std::printf("%.6g %.9g %.9g\n", op.work / times[times.size() / 2], sums.size, sums.weighted);
}

int fail(const char* what, const char* name) { return std::fprintf(stderr, "%s%s\n", what, name), 2; }

}  // namespace

int main(int argc, char** argv) {
  const bool list = argc == 2 && std::strcmp(argv[1], "list") == 0;
  if (!list && argc != 4) return fail("ops list | ops NAME SIDE SECONDS", "");
  for (const auto& family : {products(), convolutions(), attentions(), maps(), others()}) {
    for (const Make& make : family) {
      const Op op = make();
      if (list) {
        std::printf("%s %s", op.name.c_str(), op.unit.c_str());
        for (const Side& side : op.sides) std::printf(" %s", side.name.c_str());
        std::printf("\n");
      } else if (op.name == argv[1]) {
        for (const Side& side : op.sides) {
          if (side.name == argv[2]) return run(op, side, std::atof(argv[3])), 0;
        }
        return fail("no such side: ", argv[2]);
      }
    }
  }
  return list ? 0 : fail("no such operation: ", argv[1]);
}

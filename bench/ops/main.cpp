// The C++ side of bench/ops/compare.py.
//
//   ops list                 names and units
//   ops NAME SECONDS         per side: its name, work a second in the unit, and two sums of its result. Sides take turns.
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

void run(const Op& op, double seconds) {
  std::vector<std::vector<double>> times(op.sides.size());
  for (const Side& s : op.sides) s.run();
  const double end = seconds_now() + seconds * static_cast<double>(op.sides.size());
  for (int round = 0; round < 5 || seconds_now() < end; ++round) {
    for (std::size_t i = 0; i < op.sides.size(); ++i) {
      // As many runs as make 2 ms, so that the clock does not matter.
      const double start = seconds_now();
      double passed = 0;
      int count = 0;
      while (passed < 2e-3) {
        op.sides[i].run();
        ++count;
        passed = seconds_now() - start;
      }
      times[i].push_back(passed / count);
    }
  }
  for (std::size_t i = 0; i < op.sides.size(); ++i) {
    auto& t = times[i];
    std::nth_element(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(t.size() / 2), t.end());
    const Sums sums(op.sides[i].result());
    std::printf("%s %.6g %.9g %.9g\n", op.sides[i].name.c_str(), op.work / t[t.size() / 2], sums.size, sums.weighted);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool list = argc == 2 && std::strcmp(argv[1], "list") == 0;
  if (!list && argc != 3) return std::fprintf(stderr, "ops list | ops NAME SECONDS\n"), 2;
  for (const auto& family : {products(), convolutions(), attentions(), maps(), others()}) {
    for (const Make& make : family) {
      const Op op = make();
      if (list) std::printf("%s %s\n", op.name.c_str(), op.unit.c_str());
      if (!list && op.name == argv[1]) return run(op, std::atof(argv[2])), 0;
    }
  }
  return list ? 0 : (std::fprintf(stderr, "no such operation: %s\n", argv[1]), 2);
}

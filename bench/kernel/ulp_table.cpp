// The greatest error of each elementary function over all 2^32 floats, as the table in the README. A program of its
// own:
//   g++ -std=c++20 -O2 -march=native -I include -I . bench/kernel/ulp_table.cpp -o ulp_table && ./ulp_table
// Some 20 minutes on one core, most of them in libm. An argument takes every n-th float only: ./ulp_table 97
#include <cstdio>
#include <cstdlib>
#include "tests/support/ulp.hpp"

int main(int argc, char** argv) {
  const std::uint64_t stride = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  std::uint64_t over = 0;
  std::printf("| function | bound, ULP | greatest error, ULP | at |\n| --- | --- | --- | --- |\n");
  ulp::each_function([&](const char* name, double bound, auto f, auto oracle) {
    const ulp::Worst worst = ulp::through(0, std::uint64_t{1} << 32, stride > 0 ? stride : 1, bound, f, oracle);
    std::printf("| %s | %.0f | %.3f | %.9g |\n", name, bound, worst.error, static_cast<double>(worst.at));
    std::fflush(stdout);
    over += worst.over;
  });
  std::printf("\n%llu inputs above their bound\n", static_cast<unsigned long long>(over));
  return over == 0 ? 0 : 1;
}

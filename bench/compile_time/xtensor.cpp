// For comparison: xtensor, one expression. Newer releases have moved the header.
#if __has_include(<xtensor/xarray.hpp>)
#include <xtensor/xarray.hpp>
#else
#include <xtensor/containers/xarray.hpp>
#endif

int main() {
  const xt::xarray<float> a{{1.0f, 2.0f}, {3.0f, 4.0f}}, b = a * a + 1.0f;
  return static_cast<int>(b(0, 0));
}

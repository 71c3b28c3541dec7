#include <limits>
#include <tessera/kernel/softmax.hpp>
#include <vector>
#include "tests/kernel/laws.hpp"

using namespace tessera;
using laws::size;

namespace {

/// Everything by the plain loop in double.
struct Plain {
  std::vector<double> probability, log_probability, dx, dlog, lse;
  template <class T>
  Plain(Index rows, Index cols, const std::vector<T>& x, const std::vector<T>& dy) {
    for (Index r = 0; r < rows; ++r) {
      double m = -HUGE_VAL, total = 0, inner = 0, sum = 0;
      for (Index c = 0; c < cols; ++c) m = std::fmax(m, static_cast<double>(x[size(r * cols + c)]));
      for (Index c = 0; c < cols; ++c) total += std::exp(static_cast<double>(x[size(r * cols + c)]) - m);
      lse.push_back(m + std::log(total));
      for (Index c = 0; c < cols; ++c) {
        const double v = static_cast<double>(x[size(r * cols + c)]), d = static_cast<double>(dy[size(r * cols + c)]);
        probability.push_back(std::exp(v - m) / total);
        log_probability.push_back(v - m - std::log(total));
        inner += probability.back() * d;
        sum += d;
      }
      for (Index c = 0; c < cols; ++c) {
        const double p = probability[size(r * cols + c)], d = static_cast<double>(dy[size(r * cols + c)]);
        dx.push_back(p * (d - inner));
        dlog.push_back(d - p * sum);
      }
    }
  }
};

}  // namespace

TEMPLATE_TEST_CASE("softmax, log-softmax and log-sum-exp are the plain loop's", "[kernel][softmax]", float, double) {
  using T = TestType;
  for (const Index cols : laws::lengths<T>()) {
    if (cols == 0) continue;
    const Index rows = 3, n = rows * cols;
    const auto x = laws::numbers<T>(n, 1, -20.0, 20.0), dy = laws::numbers<T>(n, 2);
    const Plain want(rows, cols, x, dy);
    std::vector<T> y(size(n)), log_y(size(n)), lse(size(rows)), dx(size(n)), dlog(size(n));
    kernel::softmax(rows, cols, x.data(), y.data());
    kernel::log_softmax(rows, cols, x.data(), log_y.data());
    kernel::log_sum_exp(rows, cols, x.data(), lse.data());
    kernel::softmax_adjoint(rows, cols, y.data(), dy.data(), dx.data());
    kernel::log_softmax_adjoint(rows, cols, log_y.data(), dy.data(), dlog.data());
    const auto at = [](const std::vector<double>& v) { return [&v](Index i) { return v[size(i)]; }; };
    const double eps = laws::epsilon<T> * (sizeof(T) == 4 ? 1 : 20);  // the oracle, in double, rounds as well
    const auto scale = [&](Index i) {
      return want.probability[size(i)] * (3 + std::fabs(want.log_probability[size(i)]));
    };  // x - m rounds
    CAPTURE(cols);
    CHECK(laws::worst(y, at(want.probability), scale) < 2 * eps);
    CHECK(laws::worst(log_y, at(want.log_probability),
                      [&](Index i) { return 1 + std::fabs(want.log_probability[size(i)]); }) < 3 * eps);
    CHECK(laws::worst(lse, at(want.lse), [&](Index i) { return 1 + std::fabs(want.lse[size(i)]); }) < 2 * eps);
    CHECK(laws::worst(dx, at(want.dx), scale) < 8 * eps);
    // exp(log_y) is as good as log_y, up to 40 here, and is multiplied by the sum of dy
    CHECK(laws::worst(dlog, at(want.dlog), [&](Index i) {
            return 2 + want.probability[size(i)] * (1 + std::fabs(want.log_probability[size(i)])) * 3 *
                           std::sqrt(static_cast<double>(cols));
          }) < 8 * eps);
  }
}

TEMPLATE_TEST_CASE("-inf is a masked entry", "[kernel][softmax]", float, double) {
  using T = TestType;
  const T inf = std::numeric_limits<T>::infinity();
  for (const Index cols : {1, 5, 16, 40}) {
    auto x = laws::numbers<T>(2 * cols, 1);
    for (Index c = 0; c < cols; ++c) x[size(c)] = -inf;  // the first row wholly
    x[size(cols + cols / 2)] = cols > 1 ? -inf : T(0);
    std::vector<T> y(size(2 * cols)), log_y(size(2 * cols)), lse(2), dx(size(2 * cols));
    kernel::softmax(2, cols, x.data(), y.data());
    kernel::log_softmax(2, cols, x.data(), log_y.data());
    kernel::log_sum_exp(2, cols, x.data(), lse.data());
    CHECK(lse[0] == -inf);
    T total = T(0);
    for (Index c = 0; c < cols; ++c) {
      CHECK(y[size(c)] == T(0));
      CHECK(log_y[size(c)] == -inf);
      total += y[size(cols + c)];
    }
    CHECK(static_cast<double>(total) == Approx(1.0));
    if (cols > 1) {
      CHECK(y[size(cols + cols / 2)] == T(0));
      CHECK(log_y[size(cols + cols / 2)] == -inf);
    }
    const auto dy = laws::numbers<T>(2 * cols, 3);
    kernel::softmax_adjoint(2, cols, y.data(), dy.data(), dx.data());
    kernel::log_softmax_adjoint(2, cols, log_y.data(), dy.data(), log_y.data());
    for (std::size_t i = 0; i < dx.size(); ++i) {
      CHECK(std::isfinite(dx[i]));
      CHECK(std::isfinite(log_y[i]));
    }
  }
}

TEST_CASE("softmax shifts away large offsets and keeps NaN", "[kernel][softmax]") {
  const float x[] = {1e30f, 1e30f}, nan[] = {1.0f, std::numeric_limits<float>::quiet_NaN()};
  float y[2];
  kernel::softmax(1, 2, x, y);
  CHECK(y[0] == 0.5f);
  kernel::log_softmax(1, 2, x, y);
  CHECK(static_cast<double>(y[1]) == Approx(-0.6931471805599453));
  kernel::softmax(1, 2, nan, y);
  CHECK(std::isnan(y[0]));
}

TEST_CASE("softmax: a row alone, in a batch, in place and on any threads has the same bits", "[kernel][softmax]") {
  const Index rows = 500, cols = 257;
  const auto x = laws::numbers<float>(rows * cols, 1, -5.0, 5.0);
  std::vector<float> together(x.size()), alone(x.size()), place = x;
  kernel::softmax(rows, cols, x.data(), together.data());
  for (Index r = 0; r < rows; ++r) kernel::softmax(1, cols, x.data() + r * cols, alone.data() + r * cols);
  kernel::softmax(rows, cols, place.data(), place.data());
  CHECK(laws::same_bits(together, alone));
  CHECK(laws::same_bits(together, place));
  laws::check_threads([&] {
    std::vector<float> y(x.size());
    kernel::log_softmax(rows, cols, x.data(), y.data());
    kernel::log_softmax_adjoint(rows, cols, y.data(), x.data(), y.data());
    return y;
  });
}

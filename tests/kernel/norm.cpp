// The norms against the formula in double, their adjoints against central differences.
#include <tessera/kernel/norm.hpp>
#include <vector>
#include "tests/kernel/laws.hpp"

using namespace tessera;
using kernel::NoActivation;
using kernel::SiluActivation;
using laws::size;

namespace {

constexpr double eps = 1e-5;

/// What all of them are: x [batch, space, channels], statistics over `space` and the channels of a group.
struct Plain {
  std::vector<double> y, mean, rstd;
  template <class T>
  Plain(Index batch, Index space, Index channels, Index groups, const std::vector<T>& x, const std::vector<T>& gain,
        const std::vector<T>& bias, bool centred, bool silu)
      : y(x.size()) {
    const Index each = channels / groups;
    for (Index b = 0; b < batch; ++b) {
      for (Index g = 0; g < groups; ++g) {
        const auto over = [&](auto f) {
          double total = 0;
          for (Index s = 0; s < space; ++s) {
            for (Index c = g * each; c < (g + 1) * each; ++c) total += f(size((b * space + s) * channels + c), size(c));
          }
          return total / static_cast<double>(space * each);
        };
        const double first =
            static_cast<double>(x[size(b * space * channels + g * each)]);  // or a double's sum drifts, far from 0
        const double m =
            centred ? first + over([&](std::size_t i, std::size_t) { return static_cast<double>(x[i]) - first; }) : 0.0;
        const double v = over([&](std::size_t i, std::size_t) { return std::pow(static_cast<double>(x[i]) - m, 2); });
        const double r = 1 / std::sqrt(v + eps);
        over([&](std::size_t i, std::size_t c) {
          const double z =
              (static_cast<double>(x[i]) - m) * r * static_cast<double>(gain[c]) + static_cast<double>(bias[c]);
          y[i] = silu ? z / (1 + std::exp(-z)) : z;
          return 0.0;
        });
        mean.push_back(m), rstd.push_back(r);
      }
    }
  }
};

/// run(x, gain, bias) gives y, adjoint(x, gain, bias, dy) gives dx, dgain, dbias one behind the other: against
/// differences.
template <class Run, class Adjoint>
void check_adjoint(Index count, Index channels, const Run& run, const Adjoint& adjoint) {
  auto x = laws::numbers<double>(count, 1), gain = laws::numbers<double>(channels, 2, 0.5, 1.5);
  auto bias = laws::numbers<double>(channels, 3), dy = laws::numbers<double>(count, 4);
  const std::vector<double> got = adjoint(x, gain, bias, dy);
  const double h = 1e-5;
  std::size_t at = 0;
  const auto loss = [&] {
    const std::vector<double> y = run(x, gain, bias);
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * dy[i];
    return total;
  };
  for (std::vector<double>* input : {&x, &gain, &bias}) {
    for (double& v : *input) {
      if (at == got.size()) return;
      const double before = v;
      v = before + h;
      const double up = loss();
      v = before - h;
      const double down = loss();
      v = before;
      REQUIRE(got[at++] == Approx((up - down) / (2 * h)).epsilon(1e-6).margin(1e-7));
    }
  }
}

/// What the oracle's own plain sums in double may lose over tens of thousands of terms.
constexpr double drift = 1000 * laws::epsilon<double>;

/// Room for dx, dgain and dbias.
struct Gradients {
  std::vector<double> all;
  double *dx, *dgain, *dbias;
  Gradients(Index count, Index channels)
      : all(size(count + 2 * channels)), dx(all.data()), dgain(dx + count), dbias(dgain + channels) {}
};

}  // namespace

TEMPLATE_TEST_CASE("row norms are the formula, also far from 0", "[kernel][norm]", float, double) {
  using T = TestType;
  for (const double offset : {0.0, 1e4, -3e5}) {
    for (const Index cols : laws::lengths<T>()) {
      if (cols < 2) continue;
      const Index rows = 3;
      const auto x = laws::numbers<T>(rows * cols, 1, offset - 2, offset + 2), gain = laws::numbers<T>(cols, 2),
                 bias = laws::numbers<T>(cols, 3);
      const std::vector<T> zero(size(cols), T(0));
      std::vector<T> y(x.size()), mean(size(rows)), rstd(size(rows));
      // x seen as [rows, 1, cols] with one group
      const Plain want(rows, 1, cols, 1, x, gain, bias, true, false),
          want_rms(rows, 1, cols, 1, x, gain, zero, false, false);
      const auto worst = [&](const Plain& p) {
        return laws::worst(
            y, [&](Index i) { return p.y[size(i)]; }, [&](Index i) { return 1 + std::fabs(p.y[size(i)]); });
      };
      CAPTURE(offset, cols);
      kernel::layer_norm(rows, cols, x.data(), gain.data(), bias.data(), eps, y.data(), mean.data(), rstd.data());
      CHECK(worst(want) < 8 * laws::epsilon<T> * (sizeof(T) == 4 ? 1 : 1 + std::fabs(offset)) + drift);
      CHECK(laws::worst(
                mean, [&](Index r) { return want.mean[size(r)]; },
                [&](Index r) { return 1 + std::fabs(want.mean[size(r)]); }) < 2 * laws::epsilon<T>);
      kernel::rms_norm(rows, cols, x.data(), gain.data(), eps, y.data(), rstd.data());
      CHECK(worst(want_rms) < 8 * laws::epsilon<T> + drift);
    }
  }
}

TEMPLATE_TEST_CASE("group norm is the formula, with and without SiLU", "[kernel][norm]", float, double) {
  using T = TestType;
  const Index cases[][4] = {{1, 1, 8, 2},  {2, 9, 6, 3},     {3, 64, 32, 8},    {2, 100, 48, 1},
                            {1, 17, 5, 5}, {2, 16, 1200, 4}, {1, 1024, 320, 32}};
  for (const auto& e : cases) {
    for (const double offset : {0.0, 1e4}) {
      const Index batch = e[0], space = e[1], channels = e[2], groups = e[3];
      const auto x = laws::numbers<T>(batch * space * channels, 1, offset - 2, offset + 2);
      const auto gain = laws::numbers<T>(channels, 2), bias = laws::numbers<T>(channels, 3);
      std::vector<T> y(x.size()), z(x.size()), mean(size(batch * groups)), rstd(size(batch * groups));
      kernel::group_norm(batch, space, channels, groups, x.data(), gain.data(), bias.data(), eps, y.data(), mean.data(),
                         rstd.data());
      kernel::group_norm<SiluActivation>(batch, space, channels, groups, x.data(), gain.data(), bias.data(), eps,
                                         z.data(), static_cast<T*>(nullptr), static_cast<T*>(nullptr));
      const Plain want(batch, space, channels, groups, x, gain, bias, true, false);
      const Plain want_silu(batch, space, channels, groups, x, gain, bias, true, true);
      const double tolerance = 10 * laws::epsilon<T> * (sizeof(T) == 4 ? 1 : 1 + offset) + drift;
      CAPTURE(batch, space, channels, groups, offset);
      if (space * channels / groups == 1) continue;  // variance 0: y is the bias
      CHECK(laws::worst(
                y, [&](Index i) { return want.y[size(i)]; }, [&](Index i) { return 1 + std::fabs(want.y[size(i)]); }) <
            tolerance);
      CHECK(laws::worst(
                z, [&](Index i) { return want_silu.y[size(i)]; },
                [&](Index i) { return 1 + std::fabs(want_silu.y[size(i)]); }) < tolerance);
      CHECK(laws::worst(
                rstd, [&](Index i) { return want.rstd[size(i)]; }, [&](Index i) { return want.rstd[size(i)]; }) <
            tolerance);
      CHECK(laws::worst(
                mean, [&](Index i) { return want.mean[size(i)]; },
                [&](Index i) { return 1 + std::fabs(want.mean[size(i)]); }) < tolerance);
    }
  }
}

TEMPLATE_TEST_CASE("batch norm is the formula; given the same statistics it evaluates to the same", "[kernel][norm]",
                   float, double) {
  using T = TestType;
  for (const Index cols : {1, 3, 16, 33, 200}) {
    const Index rows = 300;
    const auto x = laws::numbers<T>(rows * cols, 1, 98.0, 102.0), gain = laws::numbers<T>(cols, 2),
               bias = laws::numbers<T>(cols, 3);
    std::vector<T> y(x.size()), z(x.size()), mean(size(cols)), variance(size(cols));
    kernel::batch_norm(rows, cols, x.data(), gain.data(), bias.data(), eps, y.data(), mean.data(), variance.data());
    kernel::batch_norm_evaluate(rows, cols, x.data(), gain.data(), bias.data(), mean.data(), variance.data(), eps,
                                z.data());
    const Plain want(1, rows, cols, cols, x, gain, bias, true, false);
    const auto scale = [&](Index i) { return 1 + std::fabs(want.y[size(i)]); };
    CAPTURE(cols);
    CHECK(laws::worst(
              y, [&](Index i) { return want.y[size(i)]; }, scale) < drift + 16 * laws::epsilon<T>);
    CHECK(laws::worst(
              z, [&](Index i) { return want.y[size(i)]; }, scale) <
          drift + 200 * laws::epsilon<T>);  // the mean as a T, near 100
    CHECK(laws::worst(
              variance, [&](Index i) { return std::pow(want.rstd[size(i)], -2) - eps; }, [](Index) { return 1.0; }) <
          drift + 16 * laws::epsilon<T>);
  }
}

TEST_CASE("a layer norm's adjoint from what came out is that from what went in", "[kernel][norm]") {
  for (const Index cols : {1, 7, 16, 37}) {
    const Index rows = 9, n = rows * cols;
    const auto x = laws::numbers<double>(n, 1), dy = laws::numbers<double>(n, 2), gain = laws::numbers<double>(cols, 3);
    std::vector<double> h(size(n)), mean(size(rows)), rstd(size(rows));
    kernel::layer_norm<double>(rows, cols, x.data(), nullptr, nullptr, eps, h.data(), mean.data(), rstd.data());
    for (const double* const g : {static_cast<const double*>(nullptr), gain.data()}) {
      Gradients in(n, cols), out(n, cols);
      kernel::layer_norm_adjoint<double>(rows, cols, x.data(), g, mean.data(), rstd.data(), dy.data(), in.dx, in.dgain,
                                         in.dbias);
      kernel::layer_norm_adjoint<double>(rows, cols, h.data(), g, nullptr, rstd.data(), dy.data(), out.dx, out.dgain,
                                         out.dbias);
      for (std::size_t i = 0; i < in.all.size(); ++i) CHECK(std::abs(in.all[i] - out.all[i]) < 1e-9);
    }
  }
}

TEST_CASE("adjoints of the norms are their derivatives", "[kernel][norm]") {
  using V = std::vector<double>;
  const Index rows = 5, cols = 7;
  check_adjoint(
      rows * cols, cols,
      [&](const V& x, const V& gain, const V& bias) {
        V y(x.size());
        kernel::layer_norm<double>(rows, cols, x.data(), gain.data(), bias.data(), eps, y.data(), nullptr, nullptr);
        return y;
      },
      [&](const V& x, const V& gain, const V&, const V& dy) {
        V y(x.size()), mean(size(rows)), rstd(size(rows));
        kernel::layer_norm<double>(rows, cols, x.data(), gain.data(), nullptr, eps, y.data(), mean.data(), rstd.data());
        Gradients d(rows * cols, cols);
        kernel::layer_norm_adjoint<double>(rows, cols, x.data(), gain.data(), mean.data(), rstd.data(), dy.data(), d.dx,
                                           d.dgain, d.dbias);
        return d.all;
      });
  check_adjoint(
      rows * cols, cols,
      [&](const V& x, const V& gain, const V&) {
        V y(x.size());
        kernel::rms_norm<double>(rows, cols, x.data(), gain.data(), eps, y.data(), nullptr);
        return y;
      },
      [&](const V& x, const V& gain, const V&, const V& dy) {
        V y(x.size()), rstd(size(rows));
        kernel::rms_norm<double>(rows, cols, x.data(), gain.data(), eps, y.data(), rstd.data());
        Gradients d(rows * cols, cols);
        kernel::rms_norm_adjoint<double>(rows, cols, x.data(), gain.data(), rstd.data(), dy.data(), d.dx, d.dgain);
        return d.all;
      });
  check_adjoint(
      rows * cols, cols,
      [&](const V& x, const V& gain, const V& bias) {
        V y(x.size());
        kernel::batch_norm<double>(rows, cols, x.data(), gain.data(), bias.data(), eps, y.data(), nullptr, nullptr);
        return y;
      },
      [&](const V& x, const V& gain, const V& bias, const V& dy) {
        V y(x.size()), mean(size(cols)), variance(size(cols));
        kernel::batch_norm<double>(rows, cols, x.data(), gain.data(), bias.data(), eps, y.data(), mean.data(),
                                   variance.data());
        Gradients d(rows * cols, cols);
        kernel::batch_norm_adjoint<double>(rows, cols, x.data(), gain.data(), mean.data(), variance.data(), eps,
                                           dy.data(), d.dx, d.dgain, d.dbias);
        return d.all;
      });
}

TEMPLATE_TEST_CASE("the adjoint of group norm is its derivative", "[kernel][norm]", NoActivation, SiluActivation) {
  using V = std::vector<double>;
  const Index batch = 2, space = 4, channels = 6, groups = 3;
  check_adjoint(
      batch * space * channels, channels,
      [&](const V& x, const V& gain, const V& bias) {
        V y(x.size());
        kernel::group_norm<TestType, double>(batch, space, channels, groups, x.data(), gain.data(), bias.data(), eps,
                                             y.data(), nullptr, nullptr);
        return y;
      },
      [&](const V& x, const V& gain, const V& bias, const V& dy) {
        V y(x.size()), mean(size(batch * groups)), rstd(size(batch * groups));
        kernel::group_norm<TestType, double>(batch, space, channels, groups, x.data(), gain.data(), bias.data(), eps,
                                             y.data(), mean.data(), rstd.data());
        Gradients d(batch * space * channels, channels);
        for (std::size_t i = 0; i < dy.size(); ++i) d.dx[i] = dy[i];  // in place
        kernel::group_norm_adjoint<TestType, double>(batch, space, channels, groups, x.data(), gain.data(), bias.data(),
                                                     mean.data(), rstd.data(), d.dx, d.dx, d.dgain, d.dbias);
        return d.all;
      });
}

TEMPLATE_TEST_CASE("adjoints in float are those in double", "[kernel][norm]", NoActivation, SiluActivation) {
  for (const Index space : {16, 4096}) {
    const Index batch = 3, channels = 40, groups = 8, n = batch * space * channels;
    const auto run = [&](auto one) {
      using T = decltype(one);
      const auto x = laws::numbers<float>(n, 1), g = laws::numbers<float>(channels, 2),
                 b = laws::numbers<float>(channels, 3);
      const auto d = laws::numbers<float>(n, 4);
      const std::vector<T> X(x.begin(), x.end()), G(g.begin(), g.end()), B(b.begin(), b.end()), D(d.begin(), d.end());
      std::vector<T> y(size(n)), mean(size(batch * groups)), rstd(size(batch * groups)), all(size(n + 2 * channels));
      kernel::group_norm<TestType>(batch, space, channels, groups, X.data(), G.data(), B.data(), eps, y.data(),
                                   mean.data(), rstd.data());
      kernel::group_norm_adjoint<TestType>(batch, space, channels, groups, X.data(), G.data(), B.data(), mean.data(),
                                           rstd.data(), D.data(), all.data(), all.data() + n,
                                           all.data() + n + channels);
      return all;
    };
    const std::vector<float> got = run(0.0f);
    const std::vector<double> want = run(0.0);
    CHECK(laws::worst(
              got, [&](Index i) { return want[size(i)]; },
              [&](Index i) { return i < n ? 5.0 : 10.0 * std::sqrt(static_cast<double>(batch * space)); }) < 1e-6);
  }
}

TEST_CASE("gain and bias may be missing", "[kernel][norm]") {
  const Index rows = 4, cols = 37;
  const auto x = laws::numbers<float>(rows * cols, 1), dy = laws::numbers<float>(rows * cols, 2);
  const std::vector<float> one(size(cols), 1.0f), zero(size(cols), 0.0f);
  const auto run = [&](const float* gain, const float* bias) {
    std::vector<float> all(size(6 * rows * cols)), mean(size(rows)), rstd(size(rows));
    float* y = all.data();
    kernel::layer_norm(rows, cols, x.data(), gain, bias, eps, y, mean.data(), rstd.data());
    kernel::layer_norm_adjoint<float>(rows, cols, x.data(), gain, mean.data(), rstd.data(), dy.data(), y + rows * cols,
                                      nullptr, nullptr);
    kernel::group_norm<SiluActivation>(1, rows, cols, 1, x.data(), gain, bias, eps, y + 2 * rows * cols, mean.data(),
                                       rstd.data());
    kernel::group_norm_adjoint<SiluActivation, float>(1, rows, cols, 1, x.data(), gain, bias, mean.data(), rstd.data(),
                                                      dy.data(), y + 3 * rows * cols, nullptr, nullptr);
    kernel::batch_norm<float>(rows, cols, x.data(), gain, bias, eps, y + 4 * rows * cols, nullptr, nullptr);
    return all;
  };
  CHECK(laws::same_bits(run(nullptr, nullptr), run(one.data(), zero.data())));
  CHECK(laws::same_bits(run(one.data(), nullptr), run(nullptr, zero.data())));
}

TEST_CASE("norms: a batch's item alone, and any number of threads, give the same bits", "[kernel][norm]") {
  const Index batch = 3, space = 2500, channels = 128, groups = 8, n = space * channels;  // large enough to be cut up
  const auto x = laws::numbers<float>(batch * n, 1), gain = laws::numbers<float>(channels, 2),
             dy = laws::numbers<float>(batch * n, 3);
  const auto run = [&](Index items, const float* in, const float* d) {
    std::vector<float> y(size(2 * items * n)), mean(size(items * space)), rstd(size(items * space));
    kernel::group_norm<SiluActivation, float>(items, space, channels, groups, in, gain.data(), nullptr, eps, y.data(),
                                              mean.data(), rstd.data());
    kernel::group_norm_adjoint<SiluActivation, float>(items, space, channels, groups, in, gain.data(), nullptr,
                                                      mean.data(), rstd.data(), d, y.data() + items * n, nullptr,
                                                      nullptr);
    return y;
  };
  const std::vector<float> together = run(batch, x.data(), dy.data()), alone = run(1, x.data() + n, dy.data() + n);
  CHECK(std::memcmp(alone.data(), together.data() + n, size(n) * sizeof(float)) == 0);
  CHECK(std::memcmp(alone.data() + n, together.data() + (batch + 1) * n, size(n) * sizeof(float)) == 0);
  laws::check_threads([&] { return run(batch, x.data(), dy.data()); });
  laws::check_threads([&] {
    std::vector<float> y(size(n)), mean(size(space)), rstd(size(space)), all(size(n + 2 * channels));
    kernel::layer_norm<float>(space, channels, x.data(), gain.data(), nullptr, eps, y.data(), mean.data(), rstd.data());
    kernel::layer_norm_adjoint(space, channels, x.data(), gain.data(), mean.data(), rstd.data(), dy.data(), all.data(),
                               all.data() + n, all.data() + n + channels);
    return all;
  });
}

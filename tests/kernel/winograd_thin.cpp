// 3x3 convolutions between many channels and few, by Winograd, against plain loops in double.
#include <tessera/kernel/winograd_thin.hpp>

#include <vector>

#include <tessera/kernel/conv_plain.hpp>

#include "tests/kernel/conv_cases.hpp"
#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using kernel::ConvShape;
using testing::numbers;
using testing::relative_error;
using testing::three_by_three;

namespace {

std::vector<float> transformed(const ConvShape& s, const std::vector<float>& w, bool adjoint) {
  std::vector<float> u(static_cast<std::size_t>(kernel::winograd_packed<4, float>(s, adjoint)));
  kernel::winograd_weights<4>(s, w.data(), adjoint, u.data());
  return u;
}

template <class T>
struct Results {
  std::vector<T> y, dx, dw;
};

struct Case {
  ConvShape s;
  std::vector<float> x, w, dy, bias;

  explicit Case(const ConvShape& shape)
      : s(shape),
        x(numbers<float>(s.batch * s.height * s.width * s.in_channels, 1)),
        w(numbers<float>(s.weights(), 2)),
        dy(numbers<float>(s.batch * s.out_height() * s.out_width() * s.out_channels, 3)),
        bias(numbers<float>(s.out_channels, 4)) {}

  Results<float> thin() const {
    Results<float> r{std::vector<float>(dy.size()), std::vector<float>(x.size()), std::vector<float>(w.size())};
    kernel::conv_winograd_thin<float>(s, false, x.data(), transformed(s, w, false).data(), {bias.data()}, r.y.data());
    kernel::conv_winograd_thin<float>(s, true, dy.data(), transformed(s, w, true).data(), {}, r.dx.data());
    kernel::conv_winograd_thin_weight_adjoint(s, x.data(), dy.data(), r.dw.data());
    return r;
  }
  Results<double> plain() const {
    const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
    const auto xd = wide(x), wd = wide(w), dyd = wide(dy), bd = wide(bias);
    Results<double> r{std::vector<double>(dy.size()), std::vector<double>(x.size()), std::vector<double>(w.size())};
    kernel::conv_plain(s, xd.data(), wd.data(), bd.data(), r.y.data());
    kernel::conv_input_adjoint_plain(s, dyd.data(), wd.data(), r.dx.data());
    kernel::conv_weight_adjoint_plain(s, xd.data(), dyd.data(), r.dw.data());
    return r;
  }
};

}  // namespace

TEST_CASE("thin Winograd equals the plain loops", "[kernel]") {
  if (!kernel::winograd_thin_pays) return;
  // Either side thin; tiles cut by the border; one and two registers of outputs; every pitch; more than a block of tiles.
  for (const ConvShape& s :
       {three_by_three(2, 8, 8, 6, 128), three_by_three(2, 8, 8, 128, 12), three_by_three(1, 9, 7, 100, 24),
        three_by_three(1, 5, 6, 24, 37, 0), three_by_three(3, 17, 13, 5, 48, 2), three_by_three(1, 8, 8, 200, 9)}) {
    const Case c(s);
    const auto seen = c.thin();
    const auto wanted = c.plain();
    CHECK(relative_error(seen.y, wanted.y) <= 5e-6);
    CHECK(relative_error(seen.dx, wanted.dx) <= 5e-6);
    CHECK(relative_error(seen.dw, wanted.dw) <= 5e-6);
  }
}

TEST_CASE("thin Winograd gives an item the same bits alone and in a batch", "[kernel]") {
  if (!kernel::winograd_thin_pays) return;
  for (const ConvShape& s : {three_by_three(5, 12, 9, 6, 64), three_by_three(5, 12, 9, 64, 6)}) {
    const Case all(s);
    const auto whole = all.thin();
    const auto inputs = all.x.size() / 5, outputs = all.dy.size() / 5;
    for (std::size_t i = 0; i < 5; ++i) {
      ConvShape one = s;
      one.batch = 1;
      std::vector<float> y(outputs), dx(inputs);
      kernel::conv_winograd_thin<float>(one, false, all.x.data() + i * inputs, transformed(one, all.w, false).data(),
                                        {all.bias.data()}, y.data());
      kernel::conv_winograd_thin<float>(one, true, all.dy.data() + i * outputs, transformed(one, all.w, true).data(),
                                        {}, dx.data());
      CHECK(y == std::vector<float>(whole.y.begin() + static_cast<std::ptrdiff_t>(i * outputs),
                                    whole.y.begin() + static_cast<std::ptrdiff_t>((i + 1) * outputs)));
      CHECK(dx == std::vector<float>(whole.dx.begin() + static_cast<std::ptrdiff_t>(i * inputs),
                                     whole.dx.begin() + static_cast<std::ptrdiff_t>((i + 1) * inputs)));
    }
  }
}

TEST_CASE("thin Winograd has the same bits on one thread and on many", "[kernel]") {
  if (!kernel::winograd_thin_pays) return;
  for (const ConvShape& s : {three_by_three(9, 16, 16, 6, 64), three_by_three(9, 16, 16, 64, 24)}) {
    const Case c(s);
    Results<float> r[3] = {c.thin(), {}, {}};
    kernel::parallel_for(2, 1, [&](Index i, Index) { r[i + 1] = c.thin(); });  // nested: one thread each
    for (int i : {1, 2}) CHECK((r[0].y == r[i].y && r[0].dx == r[i].dx && r[0].dw == r[i].dw));
  }
}

// What runs over memory once: vector functions, softmax and norms, at 1 M and 16 M numbers.
#include <memory>
#include <tessera/autodiff/op/exp.hpp>
#include <tessera/autodiff/op/gelu.hpp>
#include <tessera/autodiff/op/norm.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autodiff/op/tanh.hpp>

#include "bench/ops/op.hpp"

namespace ops {
namespace {

constexpr Index columns = 1024;

template <class Fn>
Make on_rows(const char* name, Index count, Fn f) {
  return [=] {
    const auto x = numbers({count / columns, columns}, 1);
    const auto y = std::make_shared<Tensor<float>>();
    Op op{std::string(name) + (count > (Index{1} << 20) ? "_16M" : "_1M"),
          "Gelem/s",
          1e-9 * static_cast<double>(count),
          {}};
    op.sides.push_back(
        {"tessera", [=] { *y = f(x); },
         [=] { return std::span<const float>(std::as_const(*y).data(), static_cast<std::size_t>(y->size())); }});
    return op;
  };
}

}  // namespace

std::vector<Make> maps() {
  std::vector<Make> all;
  using X = Tensor<float>;
  for (const Index count : {Index{1} << 20, Index{1} << 24}) {
    all.push_back(on_rows("exp", count, [](const X& x) { return exp(x); }));
    all.push_back(on_rows("tanh", count, [](const X& x) { return tanh(x); }));
    all.push_back(on_rows("gelu", count, [](const X& x) { return gelu(x); }));
    all.push_back(on_rows("silu", count, [](const X& x) { return silu(x); }));
    all.push_back(on_rows("softmax", count, [](const X& x) { return softmax(x); }));
    const auto gain = numbers({columns}, 2), bias = numbers({columns}, 3);
    all.push_back(on_rows("layer_norm", count, [=](const X& x) { return layer_norm(x, gain, bias); }));
    all.push_back(on_rows("batch_norm", count, [=](const X& x) { return batch_norm(x, gain, bias); }));
    all.push_back(on_rows("group_norm", count, [=](const X& x) {
      const auto some_gain = slice(gain, 0, 0, 64), some_bias = slice(bias, 0, 0, 64);
      return group_norm(reshape(x, {x.size() / 65536, 1024, 64}), some_gain, some_bias, 8);
    }));
  }
  return all;
}

}  // namespace ops

// A gated residual layer as one op: the derivatives, and everything equal to what its parts make.
#include <tessera/autodiff/op/gated_residual.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {

struct Layer {
  Index lines, length, residual, skip, taps, dilation;
  Index frames = 0;
  bool last = false;  // nothing goes on

  Index out() const { return last ? skip : residual + skip; }
  Shape shift() const { return frames > 0 ? Shape{lines, frames, 2 * residual} : Shape{2 * residual}; }
  GatedLayout layout() const { return {dilation, skip}; }
};

template <class T>
struct Operands {
  Tensor<T> x, skip, w, shift, mix, bias;
};
template <class T>
Operands<T> operands(const Layer& l) {
  const auto make = [](const Shape& s, std::uint64_t seed, double scale) {
    return draw(s, seed, scale).template as<T>();
  };
  const double fan = 1 / std::sqrt(static_cast<double>(l.residual));
  return {make({l.lines, l.length, l.residual}, 1, 1),
          make({l.lines, l.length, l.skip}, 2, 1),
          make({l.taps, l.residual, 2 * l.residual}, 3, fan),
          make(l.shift(), 4, 0.5),
          make({l.out(), l.residual}, 5, fan),
          make({l.out()}, 6, 0.5)};
}

/// Both results side by side.
template <Value X>
X joined(const GatedResidual<X>& y) {
  return y.x ? concat({y.x, y.skip}, -1) : y.skip;
}
template <class T>
using Results = std::vector<Tensor<T>>;  // both results, then the gradients by all operands

template <class T, class Op>
Results<T> results(const Operands<T>& o, const Layer& l, const Op& op) {
  Tape<Tensor<T>> tape;
  std::vector<Var<Tensor<T>>> in;
  for (const Tensor<T>* v : {&o.x, &o.skip, &o.w, &o.shift, &o.mix, &o.bias}) in.push_back(tape.input(*v));
  const auto y = joined(op(in[0], in[1], in[2], in[3], in[4], in[5], l.layout()));
  Results<T> all{y.value().clone()};
  tape.backward(sum(y * draw(y.shape(), 7).template as<T>()));
  for (const auto& v : in) all.push_back(tape.gradient(v));
  return all;
}
template <class T>
Results<T> fused(const Operands<T>& o, const Layer& l) {
  return results(o, l, [](const auto&... in) { return gated_residual(in...); });
}
template <class T>
Results<T> by_parts(const Operands<T>& o, const Layer& l) {
  return results(o, l, [](const auto&... in) { return detail::gated_residual_by_parts(in...); });
}

/// Largest difference beside the largest number.
template <class A>
double apart(const Tensor<A>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0, top = 0;
  for (Index i = 0; i < b.size(); ++i) {
    const double off = std::abs(static_cast<double>(a[i]) - b[i]);
    worst = off > worst || off != off ? off : worst;
    top = std::max(top, std::abs(b[i]));
  }
  return worst / top;
}

}  // namespace

TEST_CASE("gated residual: the gradient by all operands, the second derivative too", "[autodiff]") {
  const auto check = [](const Layer& l) {
    check_gradient([&](const auto&... in) { return joined(gated_residual(in..., l.layout())); },
                   {{l.lines, l.length, l.residual},
                    {l.lines, l.length, l.skip},
                    {l.taps, l.residual, 2 * l.residual},
                    l.shift(),
                    {l.out(), l.residual},
                    {l.out()}},
                   {.scale = 0.7});
  };
  check({.lines = 2, .length = 5, .residual = 3, .skip = 2, .taps = 2, .dilation = 2});
  check({.lines = 1, .length = 6, .residual = 2, .skip = 3, .taps = 3, .dilation = 1, .frames = 3});
  check({.lines = 2, .length = 4, .residual = 2, .skip = 1, .taps = 2, .dilation = 9, .frames = 1, .last = true});
}

TEST_CASE("gated residual: floats over many blocks of rows have the results of the parts in double", "[autodiff]") {
  for (const Layer& l : std::vector<Layer>{{2, 700, 5, 7, 2, 3},
                                           {1, 2600, 33, 40, 2, 300},
                                           {3, 300, 64, 64, 2, 1, 10},
                                           {1, 2530, 16, 16, 3, 512, 5},
                                           {2, 900, 20, 70, 1, 1, 0, true},
                                           {1, 253, 70, 3, 4, 90, 253},
                                           {1, 520, 130, 100, 2, 2},
                                           {5, 1, 8, 8, 2, 1}}) {
    INFO(l.lines << " x " << l.length << ", " << l.residual << " channels, dilation " << l.dilation);
    const auto seen = fused(operands<float>(l), l);
    const auto wanted = by_parts(operands<double>(l), l);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      INFO("result " << i);
      CHECK(apart(seen[i], wanted[i]) < 3e-6);
    }
  }
}

TEST_CASE("gated residual: doubles over many blocks are the parts'", "[autodiff]") {
  for (const Layer& l : std::vector<Layer>{{2, 600, 3, 4, 2, 70, 6}, {1, 2300, 2, 3, 3, 260}}) {
    const auto o = operands<double>(l);
    const auto seen = fused(o, l), wanted = by_parts(o, l);
    for (std::size_t i = 0; i < seen.size(); ++i) CHECK(apart(seen[i], wanted[i]) < 1e-13);
  }
}

TEST_CASE("gated residual: a batch is its items one by one, and one thread makes what many make", "[autodiff]") {
  const Layer l{3, 1100, 40, 24, 2, 128, 11};
  const auto o = operands<float>(l);
  const auto together = fused(o, l);
  for (Index i = 0; i < 3; ++i) {
    // The weights of the results in the loss are drawn for the whole batch: by hand here.
    Tape<Tensor<float>> tape;
    const auto x = tape.input(slice(o.x, 0, i, i + 1)), skip = tape.input(slice(o.skip, 0, i, i + 1));
    const auto shift = tape.input(slice(o.shift, 0, i, i + 1));
    const auto y =
        joined(gated_residual(x, skip, tape.input(o.w), shift, tape.input(o.mix), tape.input(o.bias), l.layout()));
    CHECK(same_bytes(y.value(), slice(together[0], 0, i, i + 1)));
    tape.backward(sum(y * slice(draw(together[0].shape(), 7).as<float>(), 0, i, i + 1)));
    CHECK(same_bytes(tape.gradient(x), slice(together[1], 0, i, i + 1)));
    CHECK(same_bytes(tape.gradient(skip), slice(together[2], 0, i, i + 1)));
  }
  Results<float> alone[2];  // nested: one thread each
  kernel::parallel_for(2, 1, [&](Index i, Index) { alone[i] = fused(o, l); });
  for (const auto& r : alone) {
    for (std::size_t i = 0; i < r.size(); ++i) CHECK(same_bytes(r[i], together[i]));
  }
}

TEST_CASE("gated residual: either result may stay unused, and the skips may begin with none", "[autodiff]") {
  const Layer l{1, 300, 6, 5, 2, 4};
  const auto o = operands<double>(l);
  const auto gradients = [&](bool use_x, bool use_skip, bool begun, const auto& op) {
    Tape<D> tape;
    const auto x = tape.input(o.x), w = tape.input(o.w), shift = tape.input(o.shift), mix = tape.input(o.mix),
               bias = tape.input(o.bias);
    const auto y = op(x, begun ? tape.constant(o.skip) : Var<D>(), w, shift, mix, bias, l.layout());
    Var<D> loss;
    if (use_x) loss = weigh(y.x, 8);
    if (use_skip) loss = loss ? loss + weigh(y.skip, 9) : weigh(y.skip, 9);
    tape.backward(loss);
    return Results<double>{tape.gradient(x), tape.gradient(w), tape.gradient(shift), tape.gradient(mix),
                           tape.gradient(bias)};
  };
  for (const bool use_x : {false, true}) {
    for (const bool use_skip : {false, true}) {
      if (!use_x && !use_skip) continue;
      for (const bool begun : {false, true}) {
        const auto seen = gradients(use_x, use_skip, begun, [](const auto&... in) { return gated_residual(in...); });
        const auto wanted =
            gradients(use_x, use_skip, begun, [](const auto&... in) { return detail::gated_residual_by_parts(in...); });
        for (std::size_t i = 0; i < seen.size(); ++i) CHECK(apart(seen[i], wanted[i]) < 1e-12);
      }
    }
  }
}

TEST_CASE("gated residual: what others hold stays, and what needs no gradient costs none", "[autodiff]") {
  const Layer l{2, 400, 8, 6, 2, 16};
  const auto o = operands<float>(l);
  const auto plain = gated_residual(o.x, o.skip, o.w, o.shift, o.mix, o.bias, l.layout());
  const Tensor<float> skip = o.skip.clone();
  Tape<Tensor<float>> tape;
  const auto w = tape.input(o.w);
  const auto constant = [&](const Tensor<float>& v) { return tape.constant(v); };
  const auto y = gated_residual(constant(o.x), constant(o.skip), w, constant(o.shift), constant(o.mix),
                                constant(o.bias), l.layout());
  CHECK(same_bytes(o.skip, skip));
  CHECK(same_bytes(y.x.value(), plain.x));
  CHECK(same_bytes(y.skip.value(), plain.skip));
  const auto seed = draw(y.x.shape(), 1).as<float>();
  const auto squares = sum(y.x * seed) + sum(y.x * y.x);  // x' is used twice, and its gradient is nobody else's
  tape.backward(squares);
  CHECK(tape.gradient(w).shape() == o.w.shape());
  const auto free = gated_residual(constant(o.x), constant(o.skip), constant(o.w), constant(o.shift), constant(o.mix),
                                   constant(o.bias), l.layout());
  CHECK_FALSE(free.x.needs_gradient());
  CHECK_FALSE(free.skip.needs_gradient());
}

TEST_CASE("gated residual: what does not fit is named", "[autodiff]") {
  const Layer l{2, 12, 4, 3, 2, 1};
  const auto o = operands<float>(l);
  const auto call = [&](const Operands<float>& p, const GatedLayout& layout) {
    return gated_residual(p.x, p.skip, p.w, p.shift, p.mix, p.bias, layout);
  };
  CHECK_NOTHROW(call(o, l.layout()));
  const auto wrong = [&](auto&& change) {
    Operands<float> p = o;
    change(p);
    CHECK_THROWS_AS(call(p, l.layout()), shape_error);
  };
  wrong([](auto& p) { p.x = Tensor<float>(Shape{12, 4}, 0.F); });
  wrong([](auto& p) { p.skip = Tensor<float>(Shape{2, 12, 4}, 0.F); });
  wrong([](auto& p) { p.w = Tensor<float>(Shape{2, 4, 4}, 0.F); });
  wrong([](auto& p) { p.shift = Tensor<float>(Shape{2, 5, 8}, 0.F); });
  wrong([](auto& p) { p.shift = Tensor<float>(Shape{4}, 0.F); });
  wrong([](auto& p) { p.mix = Tensor<float>(Shape{7, 5}, 0.F); });
  wrong([](auto& p) { p.bias = Tensor<float>(Shape{6}, 0.F); });
  CHECK_THROWS_AS(call(o, {.dilation = 0, .skip = 3}), argument_error);
  CHECK_THROWS_AS(call(o, {.dilation = 1, .skip = 2}), shape_error);
}

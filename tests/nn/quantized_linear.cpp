#include <tessera/nn/quantized_linear.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <tessera/kernel/parallel.hpp>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

constexpr WeightFormat formats[] = {WeightFormat::f32, WeightFormat::f16, WeightFormat::q8, WeightFormat::q4};

Tensor<float> spread(const Shape& shape, std::uint64_t seed) {
  Tensor<float> t(shape);
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (float& v : t.span()) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    v = static_cast<float>(state >> 40) * 0x1p-23F - 1.0F;
  }
  return t;
}

/// The weight as the layer holds it.
Tensor<float> held(const QuantizedLinear& layer) {
  Tensor<float> w(Shape{layer.out(), layer.in()});
  for (Index i = 0; i < layer.out(); ++i)
    layer.row(i, w.span().subspan(static_cast<std::size_t>(i * layer.in()), static_cast<std::size_t>(layer.in())));
  return w;
}

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const error& e) { return e.what(); }
  return "no error";
}

}  // namespace

TEST_CASE("quantized linear: the product of the weights it holds", "[nn][quantized]") {
  for (const Shape& shape : {Shape{45, 70}, Shape{96, 256}, Shape{1, 1}, Shape{17, 33}}) {
    const Tensor<float> weight = spread(shape, 1), bias = spread(Shape{shape[0]}, 2),
                        x = spread(Shape{2, 3, shape[1]}, 3);
    for (const WeightFormat format : formats) {
      INFO(kernel::name_of(format) << " " << shape.to_string());
      const QuantizedLinear layer(weight, bias, format);
      const Tensor<float> y = layer(x), w = held(layer), want = linear(x, w, bias);
      CHECK(y.shape() == Shape{2, 3, shape[0]});
      if (format == WeightFormat::f32) CHECK(same_bytes(w, weight));
      if (format == WeightFormat::f32 || format == WeightFormat::f16) {
        CHECK(same_bytes(y, want));
      } else {
        // 16-bit activations: each is off by at most 1 in 65,000 of the largest, and these errors walk at random.
        float worst = 0;
        for (Index i = 0; i < y.size(); ++i) worst = std::fmax(worst, std::fabs(y[i] - want[i]));
        CHECK(worst <= 3e-5F * std::sqrt(static_cast<float>(shape[1])) + 1e-6F);
      }
      // The weights are near what was given: half a step of 8 bits, one of 4.
      const float bound = format == WeightFormat::q4 ? 0.1255F : format == WeightFormat::q8 ? 0.5F / 126 : 0.0005F;
      float off = 0;
      for (Index i = 0; i < w.size(); ++i) off = std::fmax(off, std::fabs(w[i] - weight[i]));
      CHECK(off <= bound);
    }
  }
}

TEST_CASE("quantized linear: each row alone, in memory that is there, on any number of threads", "[nn][quantized]") {
  const Index out = 700, in = 512, rows = 9;
  const Tensor<float> weight = spread(Shape{out, in}, 1), bias = spread(Shape{out}, 2), x = spread(Shape{rows, in}, 3);
  const int before = threads();
  for (const WeightFormat format : formats) {
    set_threads(1);
    const QuantizedLinear layer(weight, bias, format);
    const Tensor<float> y = layer(x);
    Tensor<float> one(Shape{out});
    for (Index r = 0; r < rows; ++r) {
      layer.apply(x.span().subspan(static_cast<std::size_t>(r * in), in), one.span());
      bool same = true;
      for (Index i = 0; i < out; ++i) same = same && one[i] == y[r * out + i];
      CHECK(same);
    }
    for (const int n : {2, 3, 8}) {
      set_threads(n);
      CHECK(same_bytes(QuantizedLinear(weight, bias, format)(x), y));
    }
    const QuantizedLinear copy = layer;
    CHECK(same_bytes(copy(x), y));
  }
  set_threads(before);
}

TEST_CASE("quantized linear: published blocks are used as they are", "[nn][quantized]") {
  const Index out = 21, in = 64;
  for (const WeightFormat format : {WeightFormat::q8, WeightFormat::q4}) {
    const bool eight = format == WeightFormat::q8;
    const Index row = eight ? kernel::published_bytes<kernel::Q8>(in) : kernel::published_bytes<kernel::Q4>(in);
    std::vector<std::uint8_t> blocks(static_cast<std::size_t>(out * row));
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::uint8_t>(i * 73 + i / 97);
    for (std::size_t b = 0; b < blocks.size(); b += eight ? 34 : 18) blocks[b + 1] = 0x2C;  // d about 1 / 16
    std::vector<float> want(static_cast<std::size_t>(in));
    const QuantizedLinear layer = QuantizedLinear::from_blocks(out, in, blocks, Tensor<float>(), format);
    const Tensor<float> w = held(layer);
    for (Index i = 0; i < out; ++i) {
      if (eight)
        kernel::dequantize(kernel::Q8{}, blocks.data() + i * row, in, want.data());
      else
        kernel::dequantize(kernel::Q4{}, blocks.data() + i * row, in, want.data());
      for (Index k = 0; k < in; ++k) CHECK(w[i * in + k] == want[static_cast<std::size_t>(k)]);
    }
  }
}

TEST_CASE("quantized linear: from a layer, with or without bias, and with an epilogue", "[nn][quantized]") {
  Rng rng{1};
  Linear<float> layer({.in = 40, .out = 50}, rng), bare({.in = 40, .out = 50, .bias = false}, rng);
  const Tensor<float> x = spread(Shape{3, 40}, 4);
  CHECK(same_bytes(QuantizedLinear(layer, WeightFormat::f32)(x), layer(x)));
  CHECK(same_bytes(QuantizedLinear(bare, WeightFormat::f32)(x), bare(x)));
  const QuantizedLinear quantized(bare, WeightFormat::q8);
  const Tensor<float> plain = quantized(x);
  Tensor<float> doubled(plain.shape());
  quantized.apply(x.span(), doubled.span(), kernel::Scale<float>{2.0F});
  for (Index i = 0; i < plain.size(); ++i) CHECK(doubled[i] == 2.0F * plain[i]);
  CHECK(!QuantizedLinear());
  CHECK(quantized.bytes() < 50 * 64 * 2);
}

TEST_CASE("quantized linear: NaN in, NaN out", "[nn][quantized]") {
  const Tensor<float> weight = spread(Shape{20, 64}, 1);
  Tensor<float> x = spread(Shape{2, 64}, 2);
  x.data()[3] = std::numeric_limits<float>::quiet_NaN();
  for (const WeightFormat format : formats) {
    const Tensor<float> y = QuantizedLinear(weight, Tensor<float>(), format)(x);
    for (Index i = 0; i < 20; ++i) CHECK((std::isnan(y[i]) && std::isfinite(y[20 + i])));
  }
}

TEST_CASE("quantized linear: wrong shapes and weights are named", "[nn][quantized]") {
  const Tensor<float> weight = spread(Shape{20, 64}, 1);
  CHECK(message_of([&] { QuantizedLinear(spread(Shape{20}, 1), Tensor<float>(), WeightFormat::q8); }) ==
        "QuantizedLinear: weight: wants [out, in], got [20]");
  CHECK(message_of([&] { QuantizedLinear(weight, spread(Shape{64}, 1), WeightFormat::q8); }) ==
        "QuantizedLinear: bias: wants [20] or an empty tensor, got [64]");
  const QuantizedLinear layer(weight, Tensor<float>(), WeightFormat::q4);
  CHECK(message_of([&] { layer(spread(Shape{2, 63}, 1)); }) == "QuantizedLinear: wants [..., 64], got [2, 63]");
  std::vector<float> x(128), y(20);
  CHECK(message_of([&] { layer.apply(x, y); }) == "QuantizedLinear: 64 to 20: got 128 numbers to read and room for 20");
  CHECK(message_of([&] { layer.row(20, y); }) ==
        "QuantizedLinear: row: wants 0 <= i < 20 and room for 64, got i = 20, 20");
  CHECK(message_of([&] { QuantizedLinear::from_blocks(2, 33, {}, Tensor<float>(), WeightFormat::q8); }) ==
        "QuantizedLinear: from_blocks wants Q8_0 or Q4_0 with rows of whole blocks of 32; got Q8_0 [2, 33] in 0 bytes");
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 1e9F}) {
    Tensor<float> w = weight.clone();
    w.data()[70] = bad;
    for (const WeightFormat format : {WeightFormat::f16, WeightFormat::q8, WeightFormat::q4}) {
      CHECK_THROWS_AS(QuantizedLinear(w, Tensor<float>(), format), number_error);
      CHECK_THAT(message_of([&] { QuantizedLinear(w, Tensor<float>(), format); }),
                 Catch::Matchers::Contains("weight[1, 6]"));
    }
    CHECK_NOTHROW(QuantizedLinear(w, Tensor<float>(), WeightFormat::f32));
  }
}

// VQ-VAE (van den Oord, Vinyals and Kavukcuoglu, 2017, arXiv 1711.00937) on 32 x 32 x 3: 8 x 8 codes of 512, batch 32.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/embedding.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index batch = 32, c = 128, codes = 512, width = 64;

struct Residual {
  Conv2d<float> conv1, conv2;
  explicit Residual(Rng& rng) : conv1({.in = c, .out = c / 2}, rng), conv2({.in = c / 2, .out = c, .kernel = 1}, rng) {}
  template <Value X>
  X operator()(const X& x) const {
    return x + conv2(conv1.rectified(relu(x)));
  }
  static void members(auto& self, auto&& see) {
    see("conv1", self.conv1);
    see("conv2", self.conv2);
  }
};

struct VqVae {
  static constexpr const char *name = "vqvae", *unit = "picture/s";
  static constexpr double items = batch;

  Conv2d<float> down1, down2, into_code, from_code;
  std::vector<Residual> residuals;  // two of the encoder, two of the decoder
  ConvTranspose2d<float> up1, up2;
  Embedding<float> book;
  Tensor<float> x = Noise{2}.uniform<float>({batch, 32, 32, 3});
  Optimizer<float> optimizer{adamw(1e-4)};

  explicit VqVae(Rng& rng)
      : down1({.in = 3, .out = c, .kernel = 4, .stride = 2, .padding = 1}, rng),
        down2({.in = c, .out = c, .kernel = 4, .stride = 2, .padding = 1}, rng),
        into_code({.in = c, .out = width, .kernel = 1}, rng),
        from_code({.in = width, .out = c}, rng),
        up1({.in = c, .out = c}, rng),
        up2({.in = c, .out = 3}, rng),
        book({.count = codes, .width = width, .deviation = 1}, rng) {
    for (int i = 0; i < 4; ++i) residuals.emplace_back(rng);
  }
  /// The nearest code of each row: the greatest 2 <row, code> - |code|^2.
  Tensor<std::int32_t> nearest(const Tensor<float>& rows) const {
    const Tensor<float>& b = book.weight.value;
    const Tensor<float> closeness = linear(rows, b * 2.f, -sum(square(b), {1}));
    Tensor<std::int32_t> index(Shape{rows.rows()});
    std::int32_t* const to = index.data();
    kernel::parallel_for(rows.rows(), 64, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        to[i] = static_cast<std::int32_t>(kernel::argmax(codes, closeness.data() + i * codes));
    });
    return index;
  }
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      auto h = down2(down1.rectified(tape.constant(x)));
      const auto z = reshape(into_code(relu(residuals[1](residuals[0](h)))), {batch * 64, width});
      const auto q = book(tape.ids(nearest(z.value())));
      const auto commitment = mse(q, z.value()) + mse(z, q.value()) * 0.25f;
      const auto through = z + tape.constant(q.value() - z.value());
      h = residuals[3](residuals[2](from_code(reshape(through, {batch, 8, 8, width}))));
      return mse(up2(up1.rectified(relu(h))), x) + commitment;
    });
  }
  static void members(auto& self, auto&& see) {
    see("down1", self.down1);
    see("down2", self.down2);
    see("into_code", self.into_code);
    see("from_code", self.from_code);
    see("residuals", self.residuals);
    see("up1", self.up1);
    see("up2", self.up2);
    see("book", self.book);
  }
  static void data(auto& self, auto&& see) { see("x", self.x); }
};

}  // namespace
Entry vqvae() { return entry<VqVae>(); }
}  // namespace steps

// Pictures of palette colours by an LSTM that reads them pixel by pixel, in raster order: p(x) = prod p(x_i | x_<i).
// What is kept of all pixels so far is one state of fixed size, which is the charm of it (completing sprites from their
// upper half is the classic demonstration) and its limit, compared with a network that can look back (image_gpt.hpp,
// pixel_cnn.hpp).
//
//   x_i = before[pixel i - 1] + above[pixel i - side] + row[i / side] + column[i % side]
//   h_i = LSTM(x_i),   logits_i = head(h_i)                    several LSTMs one upon the other
//
// Of PixelRNN (van den Oord, Kalchbrenner and Kavukcuoglu, 2016, arXiv 1601.06759) it is the plainest member: that
// paper's row and diagonal LSTMs hand states down the columns as well. Here only the pixel above comes in directly.
//
//   PixelRnn<float> net({.side = 20, .colours = 64}, rng);
//   auto loss = cross_entropy(net(tape.ids(pixels)), pixels);               // pixels [B, N], N up to side^2
// Generation is in pixel_rnn_decoder.hpp.
#pragma once

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/nn/config_check.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/recurrent.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct PixelRnnConfig {
  Index side = 20;     // pixels
  Index colours = 64;  // of the palette
  Index width = 64;    // of what is read of a pixel
  Index hidden = 192;  // of each LSTM
  Index layers = 1;

  Index pixels() const { return side * side; }
  /// Throws argument_error for a field out of range.
  void check() const {
    const ConfigCheck check{"PixelRnn"};
    check.within("side", side, 2, 256);
    check.within("colours", colours, 2, 512);
    check.within("width", width, 1, 4096);
    check.within("hidden", hidden, 1, 8192);
    check.within("layers", layers, 1, 16);
  }
};

template <class T>
struct PixelRnn {
  using Config = PixelRnnConfig;

  Config config;
  Embedding<T> before, above;  // [colours + 1, width]; the last row: there is none
  Parameter<T> rows, columns;  // [side, width]
  std::vector<Lstm<T>> layers;
  Linear<T> head;

  PixelRnn(const Config& c, Rng& rng)
      : config(checked(c)),
        before({.count = c.colours + 1, .width = c.width, .deviation = 0.3}, rng),
        above({.count = c.colours + 1, .width = c.width, .deviation = 0.3}, rng),
        rows{init::normal<T>({c.side, c.width}, 0.3, rng)},
        columns{init::normal<T>({c.side, c.width}, 0.3, rng)},
        head({.in = c.hidden, .out = c.colours}, rng) {
    for (Index i = 0; i < c.layers; ++i)
      layers.emplace_back(RecurrentConfig{.in = i == 0 ? c.width : c.hidden, .hidden = c.hidden}, rng);
  }

  /// Pixels [B, N], plain or `tape.ids(pixels)`, N from 1 to side^2 -> logits of each given those before it,
  /// [B, N, colours]. Goes row by row, which bounds what the adjoints of its many steps have to touch.
  template <Ids I>
  auto operator()(const I& pixels) const {
    const Index n = pixels.shape().rank() == 2 ? pixels.extent(1) : 0, side = config.side;
    if (n < 1 || n > config.pixels())
      throw shape_error("PixelRnn: pixels [B, N] with N from 1 to " + std::to_string(config.pixels()) +
                        " wanted, shape is " + pixels.shape().to_string());
    using X = decltype(before(pixels));
    std::vector<LstmState<X>> states;
    std::vector<X> logits;
    for (Index first = 0; first < n; first += side) {
      const Index last = first + side < n ? first + side : n;
      X x = before(delayed(pixels, 1, first, last)) + above(delayed(pixels, side, first, last));  // [B, S, width]
      const X row = slice(lift(x, rows), 0, first / side, first / side + 1), all = lift(x, columns);
      x = x + (row + (last - first == side ? all : slice(all, 0, 0, last - first)));
      for (std::size_t i = 0; i < layers.size(); ++i) {
        if (first == 0) states.push_back(layers[i].start(x));
        x = layers[i](x, states[i]);
      }
      logits.push_back(head(x));
    }
    return logits.size() == 1 ? logits[0] : concat(std::span<const X>(logits), 1);
  }

  static void members(auto& self, auto&& see) {
    see("before", self.before);
    see("above", self.above);
    see("rows", self.rows);
    see("columns", self.columns);
    see("layers", self.layers);
    see("head", self.head);
  }

 private:
  /// The pixels `back` places before each of [first, last), or the unit that stands for none.
  Tensor<std::int32_t> delayed(const Tensor<std::int32_t>& pixels, Index back, Index first, Index last) const {
    const Index b = pixels.extent(0), n = pixels.extent(1);
    Tensor<std::int32_t> ids(Shape{b, last - first});
    std::int32_t* to = ids.data();
    for (Index item = 0; item < b; ++item) {
      for (Index i = first; i < last; ++i)
        *to++ = i < back ? static_cast<std::int32_t>(config.colours) : pixels[item * n + i - back];
    }
    return ids;
  }
  template <class V>
  VarIds<V> delayed(const VarIds<V>& pixels, Index back, Index first, Index last) const {
    return pixels.tape->ids(delayed(pixels.value, back, first, last));
  }
};

}  // namespace tessera::inline TESSERA_ISA

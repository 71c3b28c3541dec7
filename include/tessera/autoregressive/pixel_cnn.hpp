// PixelCNN: p(x) = prod over pixels, in raster order, of p(x_i | x_<i, c), all predicted at once by convolutions that
// never see what is to come (gated and conditional: van den Oord et al., 2016, arXiv 1606.05328).
//
//   v <- gate(Kv * v + Cv c)                                  vertical stack: Kv reaches up and to both sides
//   h <- h + W gate(Kh * h + L (Kv * v) + Ch c)               horizontal stack: Kh reaches left
//   gate([a, b]) = tanh(a) sigmoid(b)
// Stacking masked square kernels alone leaves a blind spot above to the right; the vertical stack sees every row above
// in full width, and hands what it sees to the horizontal one, which sees the row itself. Different from the paper: no
// kernel is masked. The pictures are moved instead, once, down by a row for v and right by a column for h, and every
// kernel is cut to what it may see, so that nothing is multiplied by zero; the first layer reaches a row further by it.
//
// What a pixel's features become, one channel after the other:
//   softmax    `levels` logits each; a channel's head also reads the channels before it
//   mixture    a mixture of logistics cut into levels (PixelCNN++: autodiff/op/logistic_mixture.hpp)
//
// How a pixel is read, by `embed`:
//   0          its levels as numbers, from -1 to 1
//   width      a learned vector of each level: of a palette's colours, whose indices are names and not amounts
//
// What the condition c says to a layer, by `map`:
//   0          the same at every pixel: V c
//   channels   its own at every pixel: V s, where s = silu(M c) is a map of the picture's size (section 2.3 of the gated
//              paper; there s is a deconvolution of c, here one matrix: the deconvolution whose kernel is the picture).
//              A class or a caption then says where its shapes lie, which the pixels seen so far tell poorly at first.
//
//   PixelCnn<float> net({.condition = 10}, rng);
//   PixelCnn<float> net({.condition = 10, .map = 16, .map_height = 28, .map_width = 28}, rng);
//   auto loss = net.loss(tape, pictures, classes);            // nats a number; pictures [B, H, W, C] of bytes
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/autodiff/op/conv.hpp>
#include <tessera/autodiff/op/gated.hpp>
#include <tessera/autodiff/op/logistic_mixture.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/nn/config_check.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

struct PixelCnnConfig {
  Index channels = 1;
  Index levels = 256;
  Index width = 32;      // of each stack
  Index layers = 8;      // the first of them of kernel `first`
  Index first = 7;       // odd; a layer reaches first / 2 pixels to each side
  Index kernel = 5;      // of the other layers, odd
  Index head = 64;       // hidden width of what makes the levels
  Index condition = 0;   // numbers of the condition vector; 0: none
  Index components = 0;  // of the mixture; 0: softmax
  Index map = 0;         // channels of the condition's map; 0: none
  Index map_height = 0;  // with a map: the pictures' size, which it fixes
  Index map_width = 0;
  Index embed = 0;  // width of a level's vector; 0: a level is read as a number

  /// Numbers that the first layer reads of a pixel.
  Index pixel_width() const { return embed > 0 ? embed : channels; }
  /// Numbers that a layer reads of the condition at a pixel.
  Index condition_width() const { return map > 0 ? map : condition; }
  LogisticMixture mixture() const { return {.components = components, .channels = channels, .levels = levels}; }
  /// Throws argument_error for a field out of range.
  void check() const {
    const ConfigCheck check{"PixelCnn"};
    check.within("channels", channels, 1, 4);
    check.within("levels", levels, 2, 256);
    check.within("width", width, 1, 4096);
    check.within("layers", layers, 1, 256);
    check.within("first", first, 3, 63);
    check.within("kernel", kernel, 3, 63);
    check.within("head", head, 1, 65536);
    check.within("condition", condition, 0, 65536);
    check.within("components", components, 0, 1024);
    check.within("map", map, 0, 4096);
    if (map > 0) {
      check.within("map_height", map_height, 1, 4096);
      check.within("map_width", map_width, 1, 4096);
      if (condition == 0) throw argument_error("PixelCnn: a map is drawn of the condition: condition > 0 wanted");
    }
    check.within("embed", embed, 0, 4096);
    if (embed > 0 && channels > 1)
      throw argument_error("PixelCnn: a vector (embed = " + std::to_string(embed) + ") stands for a pixel of one " +
                           "level, channels is " + std::to_string(channels) +
                           ": bring the colours onto a palette (channels = 1), or read levels as numbers (embed = 0)");
    if (embed > 0 && components > 0)
      throw argument_error("PixelCnn: a mixture of logistics (components = " + std::to_string(components) +
                           ") takes levels for amounts, vectors (embed = " + std::to_string(embed) +
                           ") for names: set components = 0 for a softmax, or embed = 0");
    if (first % 2 == 0 || kernel % 2 == 0) throw argument_error("PixelCnn: kernels are of odd width");
  }
};

/// A convolution that reaches `up` rows up, `side` columns to the left and as many to the right, or none there.
template <class T>
struct CausalConv2d {
  Parameter<T> weight;  // [up + 1, side + 1 (+ side), in, out]
  Parameter<T> bias;    // [out]
  Stride2d geometry;

  CausalConv2d(Index in, Index out, Index up, Index left, Index right, Rng& rng) {
    const Shape s{up + 1, left + 1 + right, in, out};
    weight.value = init::kaiming_uniform<T>(s, s[0] * s[1] * in, rng);
    bias.value = init::zeros<T>({out});
    geometry.pad_top = up;
    geometry.pad_left = left;
    geometry.pad_right = right;
  }

  template <Value X>
  X operator()(const X& x) const {
    return conv2d(x, lift(x, weight), lift(x, bias), geometry);
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }
};

template <class T>
struct PixelCnnLayer {
  CausalConv2d<T> vertical, horizontal;  // in -> 2 width
  Linear<T> link, out;                   // from the vertical to the horizontal; after the gate
  std::optional<Linear<T>> vertical_condition, horizontal_condition;

  PixelCnnLayer(const PixelCnnConfig& c, Index layer, Rng& rng)
      : vertical(layer == 0 ? c.pixel_width() : c.width, 2 * c.width, reach(c, layer), reach(c, layer), reach(c, layer),
                 rng),
        horizontal(layer == 0 ? c.pixel_width() : c.width, 2 * c.width, 0, reach(c, layer), 0, rng),
        link({.in = 2 * c.width, .out = 2 * c.width, .bias = false}, rng),
        out({.in = c.width, .out = c.width}, rng) {
    if (c.condition > 0) {
      const typename Linear<T>::Config from_condition{.in = c.condition_width(), .out = 2 * c.width, .bias = false};
      if (layer + 1 < c.layers) vertical_condition.emplace(from_condition, rng);  // nobody reads the last v
      horizontal_condition.emplace(from_condition, rng);
    }
  }
  /// The pictures are moved by one already, so that a kernel of n needs only n / 2 rows and columns with its own.
  static Index reach(const PixelCnnConfig& c, Index layer) { return (layer == 0 ? c.first : c.kernel) / 2; }

  static void members(auto& self, auto&& see) {
    see("vertical", self.vertical);
    see("horizontal", self.horizontal);
    see("link", self.link);
    see("out", self.out);
    see("vertical_condition", self.vertical_condition);
    see("horizontal_condition", self.horizontal_condition);
  }
};

/// Features (and channels before) -> what is known of one channel, or of all.
template <class T>
struct PixelHead {
  Linear<T> first, last;

  PixelHead(Index in, Index hidden, Index out, Rng& rng)
      : first({.in = in, .out = hidden}, rng), last({.in = hidden, .out = out}, rng) {}

  template <Value X>
  X operator()(const X& x) const {
    return last(relu(first(relu(x))));
  }

  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("last", self.last);
  }
};

template <class T>
struct PixelCnn {
  using Config = PixelCnnConfig;

  Config config;
  std::optional<Embedding<T>> vectors;  // of the levels, [levels, embed]
  std::optional<Linear<T>> map;         // [B, condition] -> [B, H W map]
  std::vector<PixelCnnLayer<T>> layers;
  std::vector<PixelHead<T>> heads;  // one a channel, or one for the mixture

  PixelCnn(const Config& c, Rng& rng) : config(checked(c)) {
    if (c.embed > 0)
      vectors.emplace(typename Embedding<T>::Config{.count = c.levels, .width = c.embed, .deviation = 1}, rng);
    if (c.map > 0) {
      map.emplace(typename Linear<T>::Config{.in = c.condition, .out = c.map_height * c.map_width * c.map}, rng);
      map->weight.value = init::normal<T>(map->weight.value.shape(), 0.02, rng);  // no patterns to begin with
    }
    for (Index i = 0; i < c.layers; ++i) layers.emplace_back(c, i, rng);
    if (c.components > 0)
      heads.emplace_back(c.width, c.head, c.mixture().parameters(), rng);
    else
      for (Index i = 0; i < c.channels; ++i) heads.emplace_back(c.width + i, c.head, c.levels, rng);
  }

  /// Levels [B, H, W, C] as the network reads them: scaled, or [B, H, W, embed].
  Tensor<T> read(const Tensor<std::uint8_t>& pictures) const {
    return vectors ? (*vectors)(pixel_ids(pictures)) : scaled(pictures);
  }
  template <class Tape>
  auto read(Tape& tape, const Tensor<std::uint8_t>& pictures) const {
    return vectors ? (*vectors)(tape.ids(pixel_ids(pictures))) : tape.constant(scaled(pictures));
  }
  /// Levels as numbers from -1 to 1.
  Tensor<T> scaled(const Tensor<std::uint8_t>& pictures) const {
    Tensor<T> x(pictures.shape());
    T* to = x.data();
    for (Index i = 0; i < x.size(); ++i)
      to[i] = T(2) * static_cast<T>(pictures[i]) / static_cast<T>(config.levels - 1) - T(1);
    return x;
  }

  /// What the condition [B, condition] says to the layers: [B, 1, 1, condition], or its map [B, H, W, map].
  template <Value X>
  X told(const X& condition) const {
    const Index b = condition.extent(0);
    if (!map) return reshape(condition, Shape{b, 1, 1, config.condition});
    return reshape(silu((*map)(condition)), Shape{b, config.map_height, config.map_width, config.map});
  }

  /// x [B, H, W, C or embed] as read() makes it, condition [B, condition] or empty -> features [B, H, W, width]; those
  /// of a pixel know all pixels before it. Throws shape_error.
  template <Value X>
  X features(const X& x, const X& condition = {}) const {
    check_shapes(x.shape(), config.condition > 0 ? condition.shape() : Shape{});
    const Index height = x.extent(1), width = x.extent(2);
    const X hint = config.condition > 0 ? told(condition) : X{};
    X v = pad(slice(x, 1, 0, height - 1), 1, 1, 0), h = pad(slice(x, 2, 0, width - 1), 2, 1, 0);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const PixelCnnLayer<T>& l = layers[i];
      const auto hinted = [&](const X& pre, const std::optional<Linear<T>>& how) {
        return how ? pre + (*how)(hint) : pre;
      };
      const X seen = l.vertical(v);  // [B, H, W, 2 width]
      const X here = l.horizontal(h) + l.link(seen);
      const X more = l.out(gated(hinted(here, l.horizontal_condition)));
      h = i == 0 ? more : h + more;
      if (i + 1 < layers.size()) v = gated(hinted(seen, l.vertical_condition));
    }
    return h;
  }

  /// What the heads say of all pixels: logits [B, H, W, C, levels], or the mixture's numbers [B, H, W, parameters].
  template <Value X>
  X predict(const X& x, const X& condition = {}) const {
    const X f = features(x, condition);
    if (config.components > 0) return heads[0](f);
    std::vector<X> each;
    for (Index c = 0; c < config.channels; ++c)
      each.push_back(heads[static_cast<std::size_t>(c)](c == 0 ? f : concat({f, slice(x, -1, 0, c)}, -1)));
    return stack(std::span<const X>(each), 3);
  }

  /// Nats a number (not a pixel): the mean of -log p over pictures [B, H, W, C] of levels. Conditions are plain, or
  /// of the tape.
  template <Value X>
  X loss(const X& x, const Tensor<std::uint8_t>& pictures, const X& condition = {}) const {
    const X said = predict(x, condition);
    if (config.components > 0) {
      const X log_p = logistic_mixture(said, scaled(pictures), config.mixture());
      return sum(log_p) * (T(-1) / static_cast<T>(pictures.size()));
    }
    return cross_entropy(said, ids(pictures));
  }
  Tensor<T> loss(const Tensor<std::uint8_t>& pictures, const Tensor<T>& condition = {}) const {
    return loss(read(pictures), pictures, condition);
  }
  template <class Tape>
  auto loss(Tape& tape, const Tensor<std::uint8_t>& pictures, const Tensor<T>& condition = {}) const {
    auto x = read(tape, pictures);
    return loss(x, pictures, config.condition > 0 ? tape.constant(condition) : decltype(x){});
  }

  static void members(auto& self, auto&& see) {
    see("vectors", self.vectors);
    see("map", self.map);
    see("layers", self.layers);
    see("heads", self.heads);
  }

 private:
  Tensor<std::int32_t> ids(const Tensor<std::uint8_t>& pictures) const {
    Tensor<std::int32_t> all(pictures.shape());
    std::int32_t* to = all.data();
    for (Index i = 0; i < pictures.size(); ++i) to[i] = pictures[i];
    return all;
  }
  /// [B, H, W, 1] -> [B, H, W]
  Tensor<std::int32_t> pixel_ids(const Tensor<std::uint8_t>& pictures) const {
    if (pictures.rank() != 4 || pictures.extent(3) != 1)
      throw shape_error("PixelCnn: levels [B, H, W, 1] wanted, shape is " + pictures.shape().to_string());
    return ids(pictures).reshaped(pictures.shape().without(3));
  }
  void check_shapes(const Shape& x, const Shape& condition) const {
    if (x.rank() != 4 || x[3] != config.pixel_width() || x[1] < 1 || x[2] < 1)
      throw shape_error("PixelCnn: pictures [B, H, W, " + std::to_string(config.pixel_width()) + "] wanted, shape is " +
                        x.to_string());
    if (config.condition > 0 && condition != Shape{x[0], config.condition})
      throw shape_error("PixelCnn: a condition [" + std::to_string(x[0]) + ", " + std::to_string(config.condition) +
                        "] wanted, shape is " + condition.to_string());
    if (config.map > 0 && (x[1] != config.map_height || x[2] != config.map_width))
      throw shape_error("PixelCnn: its map is of " + std::to_string(config.map_height) + " x " +
                        std::to_string(config.map_width) + " pixels, the pictures' shape is " + x.to_string());
  }
};

}  // namespace tessera::inline TESSERA_ISA

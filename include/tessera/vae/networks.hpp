// Encoders and decoders of variational autoencoders.
//
//   encoder(x, context)  [B, item] -> [B, 2 latent]: means, then log-variances
//   decoder(z, context)  [B, latent] -> [B, item], with `outputs` times the channels
//
// Dense: relu layers of the widths `hidden` (784-400-20 is hidden = {400}, latent = 20). Conv: 4 x 4 convolutions of
// stride 2 to `channels`, then one dense layer; the decoder is its mirror image, with transposed convolutions. A
// context [B, E] is added in front of an activation of the dense part.
#pragma once

#include <tessera/autodiff/op/relu.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

/// The shape of both networks; each kind uses what concerns it.
struct VaeNetConfig {
  Shape item = {28, 28, 1};                // of an object, channels last
  Index outputs = 1;                       // a decoder's numbers for each number of an object
  std::vector<Index> hidden = {400};       // dense: widths from the object to the latent. conv: one width
  std::vector<Index> channels = {32, 64};  // conv: of each halving
  Index latent = 20;
  Index context = 0;  // width of the condition; 0: none
};

namespace detail {

inline void check_vae_net(const VaeNetConfig& c) {
  bool good = c.latent > 0 && c.item.rank() > 0 && c.item.size() > 0 && !c.hidden.empty();
  for (const Index h : c.hidden) good = good && h > 0;
  if (!good)
    throw argument_error("Vae: item " + c.item.to_string() + ", latent " + std::to_string(c.latent) + " and " +
                         std::to_string(c.hidden.size()) + " hidden layers; all must be above 0");
}
inline void check_vae_picture(const VaeNetConfig& c) {
  check_vae_net(c);
  const Index part = Index{1} << (c.channels.size() < 20 ? c.channels.size() : 20);
  if (c.item.rank() != 3 || c.item[0] % part != 0 || c.item[1] % part != 0 || c.channels.empty())
    throw argument_error(
        "Vae: pictures of " + c.item.to_string() + " cannot be halved " + std::to_string(c.channels.size()) +
        " times; give `channels` fewer entries, or pad the pictures " + "to a multiple of " + std::to_string(part));
  if (c.hidden.size() != 1) throw argument_error("Vae: a convolutional one has one dense layer: hidden = {width}");
}
template <class T>
std::optional<Linear<T>> context_layer(Index context, Index width, Rng& rng) {
  if (context == 0) return std::nullopt;
  return Linear<T>({.in = context, .out = width, .bias = false}, rng);
}
template <class T, Value X>
X with_context(const char* who, const X& h, const std::optional<Linear<T>>& layer, const X& context) {
  if (static_cast<bool>(context) != layer.has_value())
    throw argument_error(std::string(who) + (layer ? ": made with a context width, so it needs the context [B, E]"
                                                   : ": made without a context; set `context` to its width"));
  return layer ? h + (*layer)(context) : h;
}
template <Value X>
X flat_items(const X& x) {
  const Index b = x.extent(0);
  return reshape(x, {b, b == 0 ? 0 : x.size() / b});
}
inline Shape batch_of(Index b, const Shape& item) {
  Index e[Shape::max_rank] = {b};
  for (int i = 0; i < item.rank(); ++i) e[i + 1] = item[i];
  return Shape(e, item.rank() + 1);
}

}  // namespace detail

template <class T>
struct DenseEncoder {
  std::vector<Linear<T>> layers;
  Linear<T> last;
  std::optional<Linear<T>> context;

  DenseEncoder(const VaeNetConfig& c, Rng& rng)
      : last({.in = (detail::check_vae_net(c), c.hidden.back()), .out = 2 * c.latent}, rng),
        context(detail::context_layer<T>(c.context, c.hidden.front(), rng)) {
    Index in = c.item.size();
    for (const Index h : c.hidden) {
      layers.emplace_back(typename Linear<T>::Config{.in = in, .out = h}, rng);
      in = h;
    }
  }
  template <Value X>
  X operator()(const X& x, const X& c = {}) const {
    X h = relu(detail::with_context("DenseEncoder", layers[0](detail::flat_items(x)), context, c));
    for (std::size_t i = 1; i < layers.size(); ++i) h = relu(layers[i](h));
    return last(h);
  }
  static void members(auto& self, auto&& see) {
    see("layers", self.layers);
    see("last", self.last);
    see("context", self.context);
  }
};

template <class T>
struct DenseDecoder {
  std::vector<Linear<T>> layers;
  Linear<T> last;
  std::optional<Linear<T>> context;
  Shape out;

  DenseDecoder(const VaeNetConfig& c, Rng& rng)
      : last({.in = (detail::check_vae_net(c), c.hidden.front()), .out = c.item.size() * c.outputs}, rng),
        context(detail::context_layer<T>(c.context, c.hidden.back(), rng)),
        out(c.item.with(-1, c.item.back() * c.outputs)) {
    Index in = c.latent;
    for (auto h = c.hidden.rbegin(); h != c.hidden.rend(); ++h) {
      layers.emplace_back(typename Linear<T>::Config{.in = in, .out = *h}, rng);
      in = *h;
    }
  }
  template <Value X>
  X operator()(const X& z, const X& c = {}) const {
    X h = relu(detail::with_context("DenseDecoder", layers[0](z), context, c));
    for (std::size_t i = 1; i < layers.size(); ++i) h = relu(layers[i](h));
    return reshape(last(h), detail::batch_of(z.extent(0), out));
  }
  static void members(auto& self, auto&& see) {
    see("layers", self.layers);
    see("last", self.last);
    see("context", self.context);
  }
};

template <class T>
struct ConvEncoder {
  std::vector<Conv2d<T>> convs;
  Linear<T> dense, last;
  std::optional<Linear<T>> context;

  ConvEncoder(const VaeNetConfig& c, Rng& rng)
      : dense({.in = smallest(c).size(), .out = c.hidden[0]}, rng),
        last({.in = c.hidden[0], .out = 2 * c.latent}, rng),
        context(detail::context_layer<T>(c.context, c.hidden[0], rng)) {
    Index in = c.item[2];
    for (const Index out : c.channels) {
      convs.emplace_back(typename Conv2d<T>::Config{.in = in, .out = out, .kernel = 4, .stride = 2, .padding = 1}, rng);
      in = out;
    }
  }
  template <Value X>
  X operator()(const X& x, const X& c = {}) const {
    Rectified<X> h = convs[0].rectified(x);
    for (std::size_t i = 1; i < convs.size(); ++i) h = convs[i].rectified(h);
    return last(relu(detail::with_context("ConvEncoder", dense(detail::flat_items(h.open())), context, c)));
  }
  /// What is left after all halvings.
  static Shape smallest(const VaeNetConfig& c) {
    detail::check_vae_picture(c);
    const Index part = Index{1} << c.channels.size();
    return {c.item[0] / part, c.item[1] / part, c.channels.back()};
  }
  static void members(auto& self, auto&& see) {
    see("convs", self.convs);
    see("dense", self.dense);
    see("last", self.last);
    see("context", self.context);
  }
};

template <class T>
struct ConvDecoder {
  Linear<T> first, dense;
  std::vector<ConvTranspose2d<T>> convs;
  std::optional<Linear<T>> context;
  Shape start;

  ConvDecoder(const VaeNetConfig& c, Rng& rng)
      : first({.in = c.latent, .out = c.hidden.empty() ? 0 : c.hidden[0]}, rng),
        dense({.in = c.hidden.empty() ? 0 : c.hidden[0], .out = ConvEncoder<T>::smallest(c).size()}, rng),
        context(detail::context_layer<T>(c.context, c.hidden[0], rng)),
        start(ConvEncoder<T>::smallest(c)) {
    for (std::size_t i = c.channels.size(); i-- > 0;)
      convs.emplace_back(typename ConvTranspose2d<T>::Config{.in = c.channels[i],
                                                             .out = i > 0 ? c.channels[i - 1] : c.item[2] * c.outputs},
                         rng);
  }
  template <Value X>
  X operator()(const X& z, const X& c = {}) const {
    X h = relu(detail::with_context("ConvDecoder", first(z), context, c));
    h = reshape(relu(dense(h)), detail::batch_of(z.extent(0), start));
    if (convs.size() == 1) return convs[0](h);
    Rectified<X> up = convs[0].rectified(h);
    for (std::size_t i = 1; i + 1 < convs.size(); ++i) up = convs[i].rectified(up);
    return convs.back()(up);
  }
  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("dense", self.dense);
    see("convs", self.convs);
    see("context", self.context);
  }
};

}  // namespace tessera::inline TESSERA_ISA

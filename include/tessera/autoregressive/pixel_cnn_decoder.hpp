// Generation with a PixelCnn's weights, number by number, without computing anything twice.
//
//   PixelCnnDecoder model(net, 28, 28);
//   auto state = model.begin(condition);                      // a NextUnit: generate/next_unit.hpp
//   model.next(state, level);  state.logits();
//
// A row's vertical features depend on the rows above only: they are computed when the row begins, from the last few
// rows of each layer, which are kept. A pixel's horizontal features then take one patch of the row a layer. All in all
// a picture costs about as much as one forward pass, where the plain way takes one a pixel (784 for 28 x 28).
//
// A unit is a level; the channels of a pixel come one after the other. pixel_cnn_run.hpp makes pictures of them.
#pragma once

#include <memory>
#include <tessera/autoregressive/pixel_cnn.hpp>
#include <tessera/generate/next_unit.hpp>

namespace tessera::inline TESSERA_ISA {

class PixelCnnDecoder {
 public:
  using Condition = Tensor<float>;  // [condition]; empty without

  class State {
   public:
    std::span<const float> logits() const { return logits_; }

   private:
    friend class PixelCnnDecoder;
    struct Layer {
      Tensor<float> above;      // [up + 1, W, in]: the vertical stack's last rows, the current one last
      Tensor<float> row = {};   // [left + W, in]: the horizontal stack's row so far, after zeros
      Tensor<float> link = {};  // [W, 2 width]: what the vertical stack and the condition say to the horizontal one
    };
    std::vector<Layer> layers_;
    Tensor<float> told_;         // what the condition says, of each pixel or of all: [H W or 1, told]; or empty
    Tensor<float> line_;         // [W, C or embed]: the current row of the picture, as the network reads it
    Tensor<float> features_;     // [1, width] of the current pixel
    std::vector<float> logits_;  // of the next number
    Index at_ = 0;               // numbers so far
  };

  PixelCnnDecoder(const PixelCnn<float>& net, Index height, Index width)
      : net_(std::make_shared<PixelCnn<float>>(net)), height_(height), width_(width) {
    if (height < 1 || width < 1) throw argument_error("PixelCnnDecoder: a picture has at least one row and column");
    if (config().map > 0 && (height != config().map_height || width != config().map_width))
      throw argument_error("PixelCnnDecoder: the network's map is of " + std::to_string(config().map_height) + " x " +
                           std::to_string(config().map_width) + " pixels, so are its pictures; wanted are " +
                           std::to_string(height) + " x " + std::to_string(width));
  }

  Index vocabulary() const { return config().levels; }
  Index height() const { return height_; }
  Index width() const { return width_; }
  const PixelCnnConfig& config() const { return net_->config; }

  /// Throws shape_error for a condition of another length.
  State begin(const Condition& condition) const {
    const Index wanted = config().condition;
    if (wanted > 0 ? condition.shape() != Shape{wanted} : condition.size() != 0 && condition.rank() != 0)
      throw shape_error("PixelCnn: a condition [" + std::to_string(wanted) + "] wanted, shape is " +
                        condition.shape().to_string());
    State s;
    if (wanted > 0) {
      const Tensor<float> told = net_->told(condition.reshaped({1, wanted}));
      s.told_ = told.reshaped({told.size() / config().condition_width(), config().condition_width()});
    }
    Index in = config().pixel_width();
    for (std::size_t i = 0; i < net_->layers.size(); ++i) {
      const Index reach = PixelCnnLayer<float>::reach(config(), static_cast<Index>(i));
      s.layers_.push_back({.above = Tensor<float>(Shape{reach + 1, width_, in}, 0.f)});
      in = config().width;
    }
    s.line_ = Tensor<float>(Shape{width_, config().pixel_width()}, 0.f);  // as the row above the first
    begin_row(s);
    see_pixel(s);
    return s;
  }

  void next(State& s, Unit unit) const {
    const Index channels = config().channels;
    if (unit < 0 || unit >= vocabulary())
      throw argument_error("PixelCnn: level " + std::to_string(unit) + " is not in [0, " +
                           std::to_string(vocabulary()) + ")");
    if (s.at_ + 1 >= height_ * width_ * channels) throw argument_error("PixelCnn: the picture is full");
    const Index column = s.at_ / channels % width_, channel = s.at_ % channels;
    if (const Index d = config().embed; d > 0)
      std::memcpy(s.line_.data() + column * d, net_->vectors->weight.value.data() + unit * d,
                  static_cast<std::size_t>(d) * sizeof(float));
    else
      s.line_.data()[column * channels + channel] =
          2.f * static_cast<float>(unit) / static_cast<float>(config().levels - 1) - 1.f;
    ++s.at_;
    if (channel + 1 < channels) {
      say(s);
      return;
    }
    if (column + 1 == width_) begin_row(s);
    see_pixel(s);
  }

 private:
  /// The vertical stack moves down by a row; the horizontal one starts anew.
  void begin_row(State& s) const {
    Tensor<float> v = s.line_;  // the row above, [W, in]
    const Index d = 2 * config().width, row = s.at_ / config().channels / width_;
    const Tensor<float> told =
        config().map > 0 ? slice(s.told_, 0, row * width_, (row + 1) * width_) : s.told_;  // [W or 1, told], or empty
    const auto hinted = [&](const Tensor<float>& pre, const std::optional<Linear<float>>& how) {
      return how ? pre + (*how)(told) : pre;
    };
    for (std::size_t i = 0; i < s.layers_.size(); ++i) {
      const PixelCnnLayer<float>& l = net_->layers[i];
      State::Layer& kept = s.layers_[i];
      const Index rows = kept.above.extent(0), in = v.cols();
      kept.above = concat({slice(kept.above, 0, 1, rows), v.reshaped({1, width_, in})}, 0);
      Stride2d sides = l.vertical.geometry;
      sides.pad_top = 0;
      const Tensor<float> seen =
          conv2d(kept.above.reshaped({1, rows, width_, in}), l.vertical.weight.value, l.vertical.bias.value, sides)
              .reshaped({width_, d});
      kept.link = hinted(l.link(seen), l.horizontal_condition);
      kept.row = Tensor<float>(Shape{l.horizontal.geometry.pad_left + width_, in}, 0.f);
      v = gated(hinted(seen, l.vertical_condition));
    }
    s.line_ = Tensor<float>(Shape{width_, config().pixel_width()}, 0.f);
  }

  /// The features of the current pixel, through all layers.
  void see_pixel(State& s) const {
    const Index channels = config().channels, column = s.at_ / channels % width_;
    Tensor<float> h(Shape{1, config().pixel_width()}, 0.f);
    if (column > 0) h = slice(s.line_, 0, column - 1, column);
    for (std::size_t i = 0; i < s.layers_.size(); ++i) {
      const PixelCnnLayer<float>& l = net_->layers[i];
      State::Layer& kept = s.layers_[i];
      const Index left = l.horizontal.geometry.pad_left, in = h.cols(), reach = (left + 1) * in;
      std::memcpy(kept.row.data() + (left + column) * in, std::as_const(h).data(),
                  static_cast<std::size_t>(in) * sizeof(float));
      const Tensor<float> patch = slice(kept.row, 0, column, column + left + 1).reshaped({1, reach});
      const Tensor<float>& w = l.horizontal.weight.value;
      const Tensor<float> here = matmul(patch, w.reshaped({reach, w.cols()})) + l.horizontal.bias.value +
                                 slice(kept.link, 0, column, column + 1);
      const Tensor<float> more = l.out(gated(here));
      h = i == 0 ? more : h + more;
    }
    s.features_ = std::move(h);
    say(s);
  }

  /// The logits of the next number, from the pixel's features and its channels so far.
  void say(State& s) const {
    const Index channels = config().channels, channel = s.at_ % channels, column = s.at_ / channels % width_;
    const float* pixel = std::as_const(s.line_).data() + column * config().pixel_width();
    const std::span<const float> before(pixel, static_cast<std::size_t>(channel));
    if (config().components > 0) {
      const Tensor<float> numbers = net_->heads[0](s.features_);
      s.logits_ = logistic_mixture_levels<float>(numbers.span(), before, config().mixture());
      return;
    }
    Tensor<float> f = s.features_;
    if (channel > 0) f = concat({f, Tensor<float>::from({1, channel}, before)}, 1);
    const Tensor<float> logits = net_->heads[static_cast<std::size_t>(channel)](f);
    s.logits_.assign(logits.data(), logits.data() + logits.size());
  }

  std::shared_ptr<const PixelCnn<float>> net_;
  Index height_, width_;
};

}  // namespace tessera::inline TESSERA_ISA

// A linear layer for generation: y = x W^T + b with W [out, in] kept in F32, F16, Q8_0 or Q4_0 (kernel/quantized.hpp).
//
//   QuantizedLinear head(net.head, WeightFormat::q8);
//   y = head(x);                                    // [..., in] -> [..., out]
//   head.apply(x.span(), logits);                   // into memory that is there: nothing is allocated in steady state
//
// F32 gives the bits of Linear, F16 those of Linear with the weights rounded to half; Q8_0 and Q4_0 also round the
// activations, to 16 bits a block of 32. A row's result does not depend on the rows beside it. It has no gradient.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tessera/core/tensor.hpp>
#include <tessera/kernel/half_gemm.hpp>
#include <tessera/kernel/quantized_gemm.hpp>
#include <tessera/nn/linear.hpp>
#include <type_traits>
#include <utility>

namespace tessera::inline TESSERA_ISA {

using kernel::WeightFormat;

/// A template so that it costs only programs that use it.
template <class T>
class BasicQuantizedLinear {
 public:
  /// No layer at all: `bool(layer)` is false.
  BasicQuantizedLinear() = default;

  /// weight [out, in]; bias [out], or an empty tensor for none. Throws shape_error, and number_error for weights the
  /// format cannot hold.
  BasicQuantizedLinear(const Tensor<T>& weight, const Tensor<T>& bias, WeightFormat format)
      : BasicQuantizedLinear(weight.rank() == 2 ? weight.extent(0) : -1, weight.rank() == 2 ? weight.extent(1) : -1,
                             bias, format, weight.shape()) {
    const T* from = std::as_const(weight).data();
    for (Index i = 0; i < out_; ++i) check_row(from + i * in_, i);
    const Index padded = kernel::blocks_of(in_) * kernel::block_length;
    each_panel([&](Index begin, Index end, std::uint8_t* to) {
      const kernel::Scratch<T> row(padded);
      const kernel::Scratch<std::uint8_t> stored(padded * 4);
      for (Index k = in_; k < padded; ++k) row[k] = 0.0f;
      for (Index i = begin; i < end; ++i) {
        std::memcpy(row.data(), from + i * in_, static_cast<std::size_t>(in_) * sizeof(float));
        with_format([&](auto stored_as) { put(stored_as, row.data(), padded, stored.data(), i, to); });
      }
    });
  }
  BasicQuantizedLinear(const Linear<T>& layer, WeightFormat format)
      : BasicQuantizedLinear(layer.weight.value, layer.bias ? layer.bias->value : Tensor<T>(), format) {}

  /// From the blocks of a published file, row after row, as they are; format q8 or q4, `in` a multiple of 32. Throws
  /// shape_error.
  static BasicQuantizedLinear from_blocks(Index out, Index in, std::span<const std::uint8_t> blocks,
                                          const Tensor<T>& bias, WeightFormat format) {
    BasicQuantizedLinear layer(out, in, bias, format, Shape{out, in});
    const Index row =
        format == WeightFormat::q8 ? kernel::published_bytes<kernel::Q8>(in) : kernel::published_bytes<kernel::Q4>(in);
    const bool of_blocks = format == WeightFormat::q8 || format == WeightFormat::q4;
    if (!of_blocks || in % kernel::block_length != 0 || static_cast<Index>(blocks.size()) != out * row) {
      throw shape_error("QuantizedLinear: from_blocks wants Q8_0 or Q4_0 with rows of whole blocks of 32; got " +
                        std::string(kernel::name_of(format)) + " " + Shape{out, in}.to_string() + " in " +
                        std::to_string(blocks.size()) + " bytes");
    }
    layer.each_panel([&](Index begin, Index end, std::uint8_t* to) {
      for (Index i = begin; i < end; ++i) {
        if (format == WeightFormat::q8)
          kernel::put_row(kernel::Q8{}, blocks.data() + i * row, i, in, to);
        else
          kernel::put_row(kernel::Q4{}, blocks.data() + i * row, i, in, to);
      }
    });
    return layer;
  }

  explicit operator bool() const { return bool(weight_); }
  Index in() const { return in_; }
  Index out() const { return out_; }
  WeightFormat format() const { return format_; }
  /// What a step of generation reads of it.
  Index bytes() const { return weight_.size() + bias_.size() * static_cast<Index>(sizeof(float)); }
  const Tensor<T>& bias() const { return bias_; }

  /// [..., in] -> [..., out]
  Tensor<T> operator()(const Tensor<T>& x) const {
    if (x.rank() == 0 || x.extent(-1) != in_)
      throw shape_error("QuantizedLinear: wants [..., " + std::to_string(in_) + "], got " + x.shape().to_string());
    Index extents[Shape::max_rank];
    for (int i = 0; i < x.rank(); ++i) extents[i] = x.shape()[i];
    extents[x.rank() - 1] = out_;
    Tensor<T> y(Shape(extents, x.rank()));
    apply(std::as_const(x).span(), y.span());
    return y;
  }

  /// The same into memory that is there: x holds rows of `in`, y as many rows of `out`.
  void apply(std::span<const T> x, std::span<T> y) const {
    if (bias_)
      apply(x, y, kernel::AddBias<T>{std::as_const(bias_).data()});
    else
      apply(x, y, kernel::Identity{});
  }
  /// With an epilogue of your own in place of the bias (kernel/epilogue.hpp): bias and activation, a residual.
  template <class Epilogue>
  void apply(std::span<const T> x, std::span<T> y, const Epilogue& epilogue) const {
    const Index rows = in_ > 0 ? static_cast<Index>(x.size()) / in_ : 0;
    if (rows * in_ != static_cast<Index>(x.size()) || rows * out_ != static_cast<Index>(y.size())) {
      throw shape_error("QuantizedLinear: " + std::to_string(in_) + " to " + std::to_string(out_) + ": got " +
                        std::to_string(x.size()) + " numbers to read and room for " + std::to_string(y.size()));
    }
    const std::uint8_t* w = std::as_const(weight_).data();
    with_format([&](auto stored) {
      using Stored = decltype(stored);
      if constexpr (is_block<Stored>)
        kernel::quantized_gemm<Stored>(rows, out_, in_, x.data(), in_, w, y.data(), out_, epilogue);
      else
        kernel::wide_gemm<Stored>(rows, out_, in_, x.data(), in_, reinterpret_cast<const Stored*>(w), y.data(), out_,
                                  epilogue);
    });
  }

  /// Row i of the weight as it now is, [in] floats: an embedding that shares its weight with the output looks up so.
  void row(Index i, std::span<T> to) const {
    if (i < 0 || i >= out_ || static_cast<Index>(to.size()) != in_) {
      throw argument_error("QuantizedLinear: row: wants 0 <= i < " + std::to_string(out_) + " and room for " +
                           std::to_string(in_) + ", got i = " + std::to_string(i) + ", " + std::to_string(to.size()));
    }
    const Index padded = kernel::blocks_of(in_) * kernel::block_length;
    const kernel::Scratch<T> whole(padded);
    const kernel::Scratch<std::uint8_t> stored(padded * 4);
    const std::uint8_t* w = std::as_const(weight_).data();
    with_format([&](auto as) {
      using Stored = decltype(as);
      if constexpr (is_block<Stored>) {
        kernel::get_row(as, w, i, in_, stored.data());
        kernel::dequantize(as, stored.data(), padded, whole.data());
      } else {
        auto* numbers = reinterpret_cast<Stored*>(stored.data());
        kernel::get_wide_row(reinterpret_cast<const Stored*>(w), i, in_, numbers);
        if constexpr (std::is_same_v<Stored, float>)
          std::memcpy(whole.data(), numbers, static_cast<std::size_t>(in_) * sizeof(float));
        else
          kernel::widen(numbers, in_, whole.data());
      }
    });
    std::memcpy(to.data(), whole.data(), to.size() * sizeof(float));
  }

 private:
  template <class Stored>
  static constexpr bool is_block = std::is_same_v<Stored, kernel::Q8> || std::is_same_v<Stored, kernel::Q4>;

  BasicQuantizedLinear(Index out, Index in, const Tensor<T>& bias, WeightFormat format, const Shape& shape)
      : bias_(bias), out_(out), in_(in), format_(format) {
    if (out < 1 || in < 1) throw shape_error("QuantizedLinear: weight: wants [out, in], got " + shape.to_string());
    if (bias && (bias.rank() != 1 || bias.extent(0) != out)) {
      throw shape_error("QuantizedLinear: bias: wants [" + std::to_string(out) + "] or an empty tensor, got " +
                        bias.shape().to_string());
    }
    Index bytes = 0;
    with_format([&](auto stored) {
      using Stored = decltype(stored);
      if constexpr (is_block<Stored>)
        bytes = kernel::quantized_bytes<Stored>(out, in);
      else
        bytes = kernel::wide_size(out, in) * static_cast<Index>(sizeof(Stored));
    });
    weight_ = Tensor<std::uint8_t>(Shape{bytes}, std::uint8_t{0});
  }

  /// f(Q8{}), f(Q4{}), f(Half{}) or f(float{}): the type that stands for the format.
  template <class Function>
  void with_format(const Function& f) const {
    switch (format_) {
      case WeightFormat::f32:
        return f(float{});
      case WeightFormat::f16:
        return f(kernel::Half{});
      case WeightFormat::q8:
        return f(kernel::Q8{});
      case WeightFormat::q4:
        return f(kernel::Q4{});
    }
  }

  /// work(begin, end, matrix) over the rows of whole panels, on threads.
  template <class Work>
  void each_panel(const Work& work) {
    std::uint8_t* to = weight_.data();
    const Index grain = ((Index{1} << 16) / in_ / kernel::wide_outputs + 1) * kernel::wide_outputs;
    kernel::parallel_for(out_, grain, [&](Index begin, Index end) { work(begin, end, to); });
  }

  void check_row(const T* w, Index row) const {
    if (format_ == WeightFormat::f32) return;  // holds everything
    const float limit = format_ == WeightFormat::f16  ? 65504.0f
                        : format_ == WeightFormat::q8 ? 127 * 65504.0f
                                                      : 8 * 65504.0f;
    for (Index k = 0; k < in_; ++k) {
      if (!(w[k] <= limit && w[k] >= -limit)) {
        throw number_error("QuantizedLinear: weight[" + std::to_string(row) + ", " + std::to_string(k) +
                           "]: " + kernel::name_of(format_) + " holds numbers up to " + std::to_string(limit) +
                           ", found " + std::to_string(w[k]));
      }
    }
  }

  /// Stores row i, which is `padded` with zeros to whole blocks, in its panel. `stored` is room to work in.
  template <class Stored>
  void put(Stored as, const T* row, Index padded, std::uint8_t* stored, Index i, std::uint8_t* matrix) const {
    if constexpr (is_block<Stored>) {
      kernel::quantize(as, row, padded, stored);
      kernel::put_row(as, stored, i, in_, matrix);
    } else if constexpr (std::is_same_v<Stored, float>) {
      kernel::put_wide_row(row, i, in_, reinterpret_cast<float*>(matrix));
    } else {
      auto* halves = reinterpret_cast<kernel::Half*>(stored);
      kernel::narrow(row, in_, halves);
      kernel::put_wide_row(halves, i, in_, reinterpret_cast<kernel::Half*>(matrix));
    }
  }

  Tensor<std::uint8_t> weight_;  // in panels
  Tensor<T> bias_;               // [out] or none
  Index out_ = 0, in_ = 0;
  WeightFormat format_ = WeightFormat::f32;
};

using QuantizedLinear = BasicQuantizedLinear<float>;

}  // namespace tessera::inline TESSERA_ISA

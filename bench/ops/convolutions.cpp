// Convolutions of the picture and sound models, forward and both adjoints. oneDNN runs in the layout it likes best, with
// inputs and weights in it already; FLOPs are those of the direct sum, so Winograd may pass the FMA peak.
#include <memory>
#include <tessera/autodiff/op/conv.hpp>

#include "bench/ops/op.hpp"

#if __has_include(<dnnl.hpp>)
#include <dnnl.hpp>
#endif

namespace ops {
namespace {

struct Geometry {
  Index batch, side, in, out, kernel, stride, padding;

  Index to() const { return (side + 2 * padding - kernel) / stride + 1; }
  Stride2d stride2d() const { return {stride, stride, padding, padding, padding, padding, 1, 1, 1}; }
  Shape x() const { return {batch, side, side, in}; }
  Shape w() const { return {kernel, kernel, in, out}; }
  Shape y() const { return {batch, to(), to(), out}; }
  double flops() const { return 2e-9 * static_cast<double>(y().size() * kernel * kernel * in); }
  std::string name() const {
    const auto n = [](Index i) { return std::to_string(i); };
    return n(batch) + "x" + n(side) + "x" + n(side) + "_" + n(in) + "_to_" + n(out) + "_k" + n(kernel) + "s" +
           n(stride);
  }
};

enum class Pass { forward, input_adjoint, weight_adjoint };
constexpr const char* names[] = {"forward", "input", "weight"};

#if __has_include(<dnnl.hpp>)
/// A convolution of oneDNN's, its operands in its own layouts.
class DnnlConvolution {
 public:
  DnnlConvolution(const Geometry& g, Pass pass, const Tensor<float>& x, const Tensor<float>& w,
                  const Tensor<float>& dy) {
    using namespace dnnl;
    const auto f32 = memory::data_type::f32;
    const auto any = memory::format_tag::any;
    const memory::dims xs = {g.batch, g.in, g.side, g.side}, ws = {g.out, g.in, g.kernel, g.kernel},
                       ys = {g.batch, g.out, g.to(), g.to()}, stride = {g.stride, g.stride},
                       pad = {g.padding, g.padding};
    const memory::desc xd(xs, f32, any), wd(ws, f32, any), yd(ys, f32, any);
    const auto way = algorithm::convolution_direct;
    const convolution_forward::primitive_desc forward({prop_kind::forward_training, way, xd, wd, yd, stride, pad, pad},
                                                      engine_);
    const auto nhwc = memory::format_tag::nhwc, hwio = memory::format_tag::hwio;
    const auto put = [&](const Tensor<float>& t, const memory::dims& dims, memory::format_tag tag,
                         const memory::desc& to) {
      memory from({dims, f32, tag}, engine_, const_cast<float*>(t.data())), here(to, engine_);
      reorder(from, here).execute(stream_, from, here);
      stream_.wait();
      return here;
    };
    if (pass == Pass::forward) {
      result_ = memory(forward.dst_desc(), engine_);
      primitive_ = convolution_forward(forward);
      arguments_ = {{DNNL_ARG_SRC, put(x, xs, nhwc, forward.src_desc())},
                    {DNNL_ARG_WEIGHTS, put(w, ws, hwio, forward.weights_desc())},
                    {DNNL_ARG_DST, result_}};
      plain_ = memory({ys, f32, nhwc}, engine_);
    } else if (pass == Pass::input_adjoint) {
      const convolution_backward_data::primitive_desc d({way, xd, wd, yd, stride, pad, pad}, engine_, forward);
      result_ = memory(d.diff_src_desc(), engine_);
      primitive_ = convolution_backward_data(d);
      arguments_ = {{DNNL_ARG_DIFF_DST, put(dy, ys, nhwc, d.diff_dst_desc())},
                    {DNNL_ARG_WEIGHTS, put(w, ws, hwio, d.weights_desc())},
                    {DNNL_ARG_DIFF_SRC, result_}};
      plain_ = memory({xs, f32, nhwc}, engine_);
    } else {
      const convolution_backward_weights::primitive_desc d({way, xd, wd, yd, stride, pad, pad}, engine_, forward);
      result_ = memory(d.diff_weights_desc(), engine_);
      primitive_ = convolution_backward_weights(d);
      arguments_ = {{DNNL_ARG_SRC, put(x, xs, nhwc, d.src_desc())},
                    {DNNL_ARG_DIFF_DST, put(dy, ys, nhwc, d.diff_dst_desc())},
                    {DNNL_ARG_DIFF_WEIGHTS, result_}};
      plain_ = memory({ws, f32, hwio}, engine_);
    }
  }
  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }
  std::span<const float> result() {
    dnnl::reorder(result_, plain_).execute(stream_, result_, plain_);
    stream_.wait();
    return {static_cast<const float*>(plain_.get_data_handle()), plain_.get_desc().get_size() / sizeof(float)};
  }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
  dnnl::memory result_, plain_;
};
#endif

Op convolution(const Geometry& g, Pass pass) {
  const auto x = numbers(g.x(), 1), w = numbers(g.w(), 2), dy = numbers(g.y(), 3);
  const auto y = std::make_shared<Tensor<float>>();
  Op op{"conv_" + std::string(names[static_cast<int>(pass)]) + "_" + g.name(), "GFLOP/s", g.flops(), {}};
  op.sides.push_back(
      {"tessera",
       [=] {
         const Stride2d s = g.stride2d();
         if (pass == Pass::forward) *y = conv2d(x, w, s);
         if (pass == Pass::input_adjoint)
           *y = conv2d_transposed(dy, w, static_cast<const Tensor<float>*>(nullptr), s, g.x());
         if (pass == Pass::weight_adjoint) *y = conv2d_weight_adjoint(x, dy, s, g.w());
       },
       [=] { return std::span<const float>(std::as_const(*y).data(), static_cast<std::size_t>(y->size())); }});
#if __has_include(<dnnl.hpp>)
  const auto dnnl = std::make_shared<DnnlConvolution>(g, pass, x, w, dy);
  op.sides.push_back({"onednn", [=] { dnnl->run(); }, [=] { return dnnl->result(); }});
#endif
  return op;
}

/// One layer of a WaveNet: 64 channels, two taps, causal, on a second of sound.
Op dilated(Index dilation) {
  const Index length = 16000, c = 64;
  const auto x = numbers({1, length, c}, 1), w = numbers({2, c, c}, 2);
  const auto y = std::make_shared<Tensor<float>>();
  Op op{"conv1d_dilated_" + std::to_string(dilation), "GFLOP/s", 2e-9 * static_cast<double>(length * 2 * c * c), {}};
  op.sides.push_back(
      {"tessera",
       [=] {
         *y = conv1d(x, w, static_cast<const Tensor<float>*>(nullptr), {.pad_before = dilation, .dilation = dilation});
       },
       [=] { return std::span<const float>(std::as_const(*y).data(), static_cast<std::size_t>(y->size())); }});
  return op;
}

}  // namespace

std::vector<Make> convolutions() {
  std::vector<Make> all;
  constexpr Geometry shapes[] = {{8, 32, 64, 64, 3, 1, 1},   {8, 16, 128, 128, 3, 1, 1}, {8, 8, 256, 256, 3, 1, 1},
                                 {1, 64, 320, 320, 3, 1, 1}, {1, 64, 3, 64, 3, 1, 1},    {64, 16, 64, 128, 4, 2, 1},
                                 {8, 16, 128, 128, 1, 1, 0}};
  for (const Geometry& g : shapes) {
    for (const Pass pass : {Pass::forward, Pass::input_adjoint, Pass::weight_adjoint})
      all.push_back([g, pass] { return convolution(g, pass); });
  }
  for (const Index d : {1, 16, 512}) all.push_back([d] { return dilated(d); });
  return all;
}

}  // namespace ops

// Attention: softmax(scale q k^T + bias) v per head (Vaswani et al., 2017, arXiv 1706.03762), tiled so that memory is linear in
// the length (Dao et al., 2022, arXiv 2205.14135); the adjoint recomputes the scores from one log-sum-exp a row.
//
//   q [B, T, H D], k and v [B, S, G D] with G heads of keys and values (G divides H)  ->  [B, T, H D]
// The adjoint is a fused kernel for Tensors only: second derivatives through attention throw argument_error.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/attention.hpp>

namespace tessera::inline TESSERA_ISA {

struct AttentionOptions {
  Index heads = 1;
  Index kv_heads = 0;              // 0: as many as heads
  bool causal = false;             // the last query sees all keys, the one before all but the last, ...
  double scale = 0;                // 0: 1 / sqrt(D)
  Tensor<std::uint8_t> keep = {};  // [B, S], 0 hides a key; empty: all are seen
};

namespace detail {
inline kernel::AttentionShape attention_shape(const Shape& q, const Shape& k, const Shape& v,
                                              const AttentionOptions& o) {
  const Index groups = o.kv_heads == 0 ? o.heads : o.kv_heads;
  if (q.rank() != 3 || k.rank() != 3 || v != k || q[0] != k[0])
    throw shape_error("attention: q [B, T, H D] and k, v [B, S, G D] wanted, shapes are " + q.to_string() + ", " +
                      k.to_string() + ", " + v.to_string());
  if (o.heads < 1 || groups < 1 || o.heads % groups != 0 || q[2] % o.heads != 0 || q[2] / o.heads * groups != k[2])
    throw shape_error("attention: " + std::to_string(o.heads) + " heads over " + std::to_string(groups) +
                      " key heads do not fit q " + q.to_string() + " and k " + k.to_string());
  if (o.keep && o.keep.shape() != Shape{k[0], k[1]})
    throw shape_error("attention: keep " + o.keep.shape().to_string() + " for keys " + k.to_string());
  kernel::AttentionShape s = kernel::AttentionShape::dense(q[0], q[1], k[1], o.heads, groups, q[2] / o.heads);
  s.causal = o.causal;
  s.scale = o.scale;
  return s;
}
inline void bias_strides(kernel::AttentionShape& s, const Shape& bias) {  // [B or 1, H or 1, T, S]
  if (bias.rank() != 4 || (bias[0] != 1 && bias[0] != s.batch) || (bias[1] != 1 && bias[1] != s.heads) ||
      bias[2] != s.queries || bias[3] != s.keys)
    throw shape_error("attention: bias " + bias.to_string() + " is not [B or 1, H or 1, T, S]");
  s.bias_row = s.keys;
  s.bias_head = bias[1] == 1 ? 0 : s.queries * s.keys;
  s.bias_batch = bias[0] == 1 ? 0 : bias[1] * s.queries * s.keys;
}
}  // namespace detail

/// `bias` [B or 1, H or 1, T, S] is added to the scaled scores (-inf hides); it takes no gradient here.
template <std::floating_point T>
Tensor<T> attention(const Tensor<T>& q, const Tensor<T>& k, const Tensor<T>& v, const AttentionOptions& o,
                    const Tensor<T>& bias = {}) {
  kernel::AttentionShape s = detail::attention_shape(q.shape(), k.shape(), v.shape(), o);
  if (bias) detail::bias_strides(s, bias.shape());
  Tensor<T> y(q.shape());
  kernel::attention<T>(s, q.data(), k.data(), v.data(), o.keep.data(), bias.data(), y.data(), nullptr);
  return y;
}
template <class V>
Var<V> attention(const Var<V>& q, const Var<V>& k, const Var<V>& v, const AttentionOptions& o,
                 const Tensor<ScalarOf<V>>& bias = {}) {
  using T = ScalarOf<V>;
  const bool wanted = q.needs_gradient() || k.needs_gradient() || v.needs_gradient();
  if constexpr (depth_of<V> == 0) {
    if (!wanted) return q.tape()->constant(attention(q.value(), k.value(), v.value(), o, bias));
    kernel::AttentionShape s = detail::attention_shape(q.shape(), k.shape(), v.shape(), o);
    if (bias) detail::bias_strides(s, bias.shape());
    V y(q.shape()), lse(Shape{s.batch, s.heads, s.queries});
    kernel::attention<T>(s, q.value().data(), k.value().data(), v.value().data(), o.keep.data(), bias.data(), y.data(),
                         lse.data());
    struct Ids {
      std::uint32_t q, k, v;
    };
    return q.tape()->record_joint(y, true,
                                  [s, ids = Ids{q.id(), k.id(), v.id()}, q = q.value(), k = k.value(), v = v.value(),
                                   keep = o.keep, bias, y, lse](Tape<V>& t, const V& g) {
                                    V dq(q.shape()), dk(k.shape()), dv(v.shape());
                                    kernel::attention_adjoint<T>(s, q.data(), k.data(), v.data(), keep.data(),
                                                                 bias.data(), y.data(), lse.data(), g.data(), dq.data(),
                                                                 dk.data(), dv.data(), nullptr);
                                    t.add(ids.q, std::move(dq));
                                    t.add(ids.k, std::move(dk));
                                    t.add(ids.v, std::move(dv));
                                  });
  } else {
    return q.tape()->record_joint(attention(q.value(), k.value(), v.value(), o, bias), wanted, [](Tape<V>&, const V&) {
      throw argument_error(
          "attention: its adjoint is a fused kernel for Tensors only, so it has no second derivative; "
          "compose matmul and softmax where you need one");
    });
  }
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> attention(const Tensor<float>&, const Tensor<float>&, const Tensor<float>&,
                                                  const AttentionOptions&, const Tensor<float>&);
TESSERA_INSTANCE template Var<Tensor<float>> attention(const Var<Tensor<float>>&, const Var<Tensor<float>>&,
                                                       const Var<Tensor<float>>&, const AttentionOptions&,
                                                       const Tensor<float>&);
#endif

}  // namespace tessera::inline TESSERA_ISA

// Attention and its adjoint, tiled: scores exist for 64 keys and 64 queries at a time, never as a whole matrix.
//
//   S = scale Q K^T + bias      P = softmax of every row of S      out = P V
//   dV = P^T dO      dS = P (dO V^T - delta), delta = rowsum(dO out)      dQ = scale dS K      dK = scale dS^T Q
//
// Forward keeps a running maximum and sum per query (Milakov, Gimelshein, 2018, arXiv 1805.02867; Dao et al., 2022,
// arXiv 2205.14135) and saves one number a row; the adjoint recomputes P from it. Memory is linear in queries and keys.
//
// Queries lie across the lanes of a register: scores are stored transposed. So both products read K and V in place,
// whatever their strides (rows very far apart are copied first); maximum, sum and rescaling go lane by lane; only Q and
// the result pass through a transpose, and neither an odd width nor an odd number of keys wastes a lane.
//
// What follows from it, and is tested: a query's row has the same bits whatever other queries, batch items or threads
// there are (so a query decoded with the keys so far gives its row of the full causal call), and padding keys gives the
// same bits as leaving them out, wherever they stand.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include <tessera/core/index.hpp>
#include <tessera/kernel/attention_strip.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// Extents and strides, in elements. q[b, t, h, :] starts at q + b * q_batch + t * q_row + h * q_head and is
/// contiguous, so [B, T, H, D], [B, H, T, D] and slices of an interleaved [B, T, 3, H, D] all work in place. dq, dk,
/// dv, dout have the strides of q, k, v, out. `dense` fills in those of [B, T, H, D].
struct AttentionShape {
  Index batch = 1, queries = 1, keys = 1;
  Index heads = 1, kv_heads = 1;  // kv_heads divides heads; head h reads key/value head h / (heads / kv_heads)
  Index width = 1;                // of one head
  bool causal = false;            // query i sees keys j <= i + keys - queries: the last query sees all
  double scale = 0;               // 0: 1 / sqrt(width)
  Index q_batch = 0, q_row = 0, q_head = 0;
  Index k_batch = 0, k_row = 0, k_head = 0;
  Index v_batch = 0, v_row = 0, v_head = 0;
  Index out_batch = 0, out_row = 0, out_head = 0;
  Index bias_batch = 0, bias_head = 0,
        bias_row = 0;  // a batch or head stride of 0 shares the bias; keys are contiguous

  static AttentionShape dense(Index batch, Index queries, Index keys, Index heads, Index kv_heads, Index width) {
    AttentionShape s;
    s.batch = batch, s.queries = queries, s.keys = keys, s.heads = heads, s.kv_heads = kv_heads, s.width = width;
    s.q_head = s.k_head = s.v_head = s.out_head = width;
    s.q_row = s.out_row = heads * width;
    s.k_row = s.v_row = kv_heads * width;
    s.q_batch = s.out_batch = queries * s.q_row;
    s.k_batch = s.v_batch = keys * s.k_row;
    s.bias_head = queries * keys, s.bias_row = keys;
    return s;
  }

  Index group() const { return heads / kv_heads; }
  double factor() const { return scale == 0 ? 1 / std::sqrt(static_cast<double>(width)) : scale; }
  Index q_at(Index b, Index h, Index t) const { return b * q_batch + t * q_row + h * q_head; }
  Index k_at(Index b, Index h) const { return b * k_batch + h / group() * k_head; }
  Index v_at(Index b, Index h) const { return b * v_batch + h / group() * v_head; }
  Index out_at(Index b, Index h, Index t) const { return b * out_batch + t * out_row + h * out_head; }
  Index bias_at(Index b, Index h) const { return b * bias_batch + h * bias_head; }
};

namespace attention_detail {

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // always inlined: no vector crosses a call
#endif

/// Tasks in a block of parallel_for, for about 20 us or more.
inline Index grain(Index flops) { return 2'000'000 / (flops + 1) + 1; }

/// The n scores of a strip become weights 2^(s - top); top and total move on; fade is what the old total and output
/// shrink by.
template <class T>
void advance(Index lanes, Index n, T* s, T* top, T* total, T* fade) {
  constexpr Index W = strip_width<T>;
  for (Index i = 0; i < lanes; i += lanes_of<T>) {
    T* p = s + i;
    const Pack<T> before = Pack<T>::load(top + i);
    Pack<T> high[4] = {before, before, before, before};  // four chains: one would wait for itself
    Index j = 0;
    for (; j + 4 <= n; j += 4) {
#pragma GCC unroll 4
      for (Index c = 0; c < 4; ++c) high[c] = max(high[c], Pack<T>::load(p + (j + c) * W));
    }
    for (; j < n; ++j) high[0] = max(high[0], Pack<T>::load(p + j * W));
    const Pack<T> now = max(max(high[0], high[1]), max(high[2], high[3])), f = exp2_falling(before - now);
    Pack<T> sum = Pack<T>::load(total + i) * f;
#pragma GCC unroll 4
    for (j = 0; j < n; ++j) {
      const Pack<T> e = exp2_falling(Pack<T>::load(p + j * W) - now);
      e.store(p + j * W);
      sum += e;
    }
    now.store(top + i);
    sum.store(total + i);
    f.store(fade + i);
  }
}

/// lse = top + log2(total); total becomes the factor of the output, 1 / total, or 0 for a query without keys.
template <class T>
void finish(Index lanes, const T* top, T* total, T* lse) {
  for (Index i = 0; i < lanes; i += lanes_of<T>) {
    const Pack<T> sum = Pack<T>::load(total + i), zero(T(0));
    select(sum == zero, zero, Pack<T>(T(1)) / sum).store(total + i);
    if (!lse) continue;
    const Pack<T> l = Pack<T>::load(top + i) + log(sum) * Pack<T>(log2_of_e<T>);
    if (i + lanes_of<T> <= lanes)
      l.store(lse + i);
    else
      store_some<T>(lse + i, l, lanes - i);
  }
}

/// Weights from scores, and dS in place of dO V^T; rows are query_block apart.
template <class T>
void weigh(Index lanes, Index n, T* s, T* ds, const T* lse, const T* delta) {
  for (Index i = 0; i < lanes; i += lanes_of<T>) {
    const Pack<T> l = Pack<T>::load(lse + i), d = Pack<T>::load(delta + i);
#pragma GCC unroll 4
    for (Index j = 0; j < n; ++j) {
      T *a = s + j * query_block + i, *b = ds + j * query_block + i;
      const Pack<T> p = exp2_falling(Pack<T>::load(a) - l);
      p.store(a);
      (p * (Pack<T>::load(b) - d)).store(b);
    }
  }
}

/// delta[i] = sum_d a[d][i] b[d][i]
template <class T>
void dot_lanes(Index lanes, Index width, const T* a, const T* b, T* delta) {
  for (Index i = 0; i < lanes; i += lanes_of<T>) {
    Pack<T> even(T(0)), odd(T(0));
    const auto product = [&](Index d, Pack<T> sum) {
      return fma(Pack<T>::load(a + d * strip_width<T> + i), Pack<T>::load(b + d * strip_width<T> + i), sum);
    };
    Index d = 0;
    for (; d + 2 <= width; d += 2) even = product(d, even), odd = product(d + 1, odd);
    if (d < width) even = product(d, even);
    (even + odd).store(delta + i);
  }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace attention_detail

/// out[b, i, h, :] = sum_j P[i, j] v[b, j, h', :]. A query that sees no key (all padded, causal with more queries than
/// keys, every score -inf) gives zeros. `key_padding` [batch, keys], 1 = keep, or nullptr; `bias` is added to the
/// scaled scores, -inf hides, or nullptr; `lse` [batch, heads, queries] is for attention_adjoint (log2 of a row's sum),
/// or nullptr. `out` overlaps no input.
template <class T>
void attention(const AttentionShape& s, const T* q, const T* k, const T* v, const std::uint8_t* key_padding,
               const T* bias, T* out, T* lse) {
  using namespace attention_detail;
  constexpr Index W = strip_width<T>;
  const Index blocks = (s.queries + query_block - 1) / query_block;
  const Index panel = s.width * W, room = key_block * s.width;
  const T factor = static_cast<T>(s.factor()) * log2_of_e<T>;
  const Index flops = 4 * (s.queries < query_block ? s.queries : query_block) * s.keys * s.width;

  parallel_for(s.batch * s.heads * blocks, grain(flops), [&](Index begin, Index end) {
    const Scratch<T> scores(key_block * W), k_room(room), v_room(room), fade(W);
    const Scratch<T> across_q(block_strips<T> * panel), acc(block_strips<T> * panel);
    const Scratch<T> top(query_block), total(query_block), sees(query_block);
    const Scratch<std::int32_t> kept_room(key_padding ? s.keys : 0);
    Strip<T> strips[block_strips<T>];

    for (Index task = begin; task < end; ++task) {
      const Index item = task / blocks, b = item / s.heads, h = item - b * s.heads;
      const KeptKeys kept = kept_keys(key_padding ? key_padding + b * s.keys : nullptr, s.keys, kept_room.data());
      const T* head_bias = bias ? bias + s.bias_at(b, h) : nullptr;
      Index n_strips = 0, most = 0;
      for (Index t = (task - item * blocks) * query_block; t < s.queries && n_strips < block_strips<T>;
           t += W, ++n_strips) {
        Strip<T>& strip = strips[n_strips];
        strip.open(t, s.queries, s.keys, s.causal, kept, &sees[n_strips * W]);
        across(&across_q[n_strips * panel], q + s.q_at(b, h, t), s.q_row, s.width, strip.count, factor);
        if (strip.most == 0) fill(&acc[n_strips * panel], panel, T(0));
        if (strip.most > most) most = strip.most;
      }
      fill(top.data(), n_strips * W, std::numeric_limits<T>::lowest());
      fill(total.data(), n_strips * W, T(0));
      fill(fade.data(), W, T(0));

      for (Index first = 0; first < most; first += key_block) {
        const Index keys = most - first < key_block ? most - first : key_block;
        const Rows<T> k_rows = kept_rows<T>({k + s.k_at(b, h), s.k_row}, s.width, kept, first, keys, k_room.data());
        const Rows<T> v_rows = kept_rows<T>({v + s.v_at(b, h), s.v_row}, s.width, kept, first, keys, v_room.data());
        for (Index i = 0; i < n_strips; ++i) {
          const Strip<T>& strip = strips[i];
          const Index n = strip.most - first < keys ? strip.most - first : keys;
          if (n <= 0) continue;
          strip.scores(&across_q[i * panel], k_rows, s.width, head_bias, s.bias_row, kept, first, n, scores.data(), W);
          advance(strip.count, n, scores.data(), &top[i * W], &total[i * W], fade.data());
          strip_product<T>(s.width, n, v_rows.by_columns(),
                           {scores.data(), W, &acc[i * panel], W, first > 0, fade.data()});
        }
      }

      for (Index i = 0; i < n_strips; ++i) {
        const Strip<T>& strip = strips[i];
        finish(strip.count, &top[i * W], &total[i * W], lse ? lse + item * s.queries + strip.begin : nullptr);
        turn<T>(false, s.width, strip.count, &acc[i * panel], W, out + s.out_at(b, h, strip.begin), s.out_row,
                {T(1), &total[i * W]});
      }
    }
  });
}

/// Adjoint of attention: writes dq, dk, dv and, unless nullptr, dbias (strides of bias; summed over whatever shares
/// it). `out` and `lse` are what attention gave. Queries that see no key, and padded keys, get zeros. With a dbias that
/// batch or heads share, these run one after the other.
template <class T>
void attention_adjoint(const AttentionShape& s, const T* q, const T* k, const T* v, const std::uint8_t* key_padding,
                       const T* bias, const T* out, const T* lse, const T* dout, T* dq, T* dk, T* dv, T* dbias) {
  using namespace attention_detail;
  constexpr Index W = strip_width<T>, L = lanes_of<T>;
  const Index panel = s.width * W, room = key_block * s.width;
  const Index whole = (s.width + L - 1) / L * L;
  const T scale = static_cast<T>(s.factor());
  const bool batch_shares = dbias && s.bias_batch == 0, heads_share = dbias && s.bias_head == 0;
  const Index batch_tasks = batch_shares ? 1 : s.batch, head_tasks = heads_share ? 1 : s.kv_heads;
  if (dbias) {
    for (Index b = 0; b < (batch_shares ? 1 : s.batch); ++b) {
      for (Index h = 0; h < (heads_share ? 1 : s.heads); ++h) {
        for (Index i = 0; i < s.queries; ++i) fill(dbias + s.bias_at(b, h) + i * s.bias_row, s.keys, T(0));
      }
    }
  }

  const Index items = s.batch * s.kv_heads / (batch_tasks * head_tasks > 0 ? batch_tasks * head_tasks : 1);
  const Index flops = 10 * items * s.group() * s.queries * s.keys * s.width;
  parallel_for(batch_tasks * head_tasks, grain(flops), [&](Index begin, Index end) {
    const Scratch<T> scores(key_block * query_block), ds(key_block * query_block), k_room(room), v_room(room);
    const Scratch<T> across_q(block_strips<T> * panel), across_g(block_strips<T> * panel), across_out(panel);
    const Scratch<T> dq_acc(block_strips<T> * panel), dk_acc(s.keys * whole), dv_acc(s.keys * whole);
    const Scratch<T> q_room(query_block * whole), g_room(query_block * whole),
        turned(dbias ? key_block * query_block : 0);
    const Scratch<T> sees(query_block), row_lse(query_block), delta(query_block);
    const Scratch<std::int32_t> kept_room(key_padding ? s.keys : 0);
    Strip<T> strips[block_strips<T>];

    // one key/value head and the heads that read it
    const auto run = [&](Index b, Index kv_head) {
      const KeptKeys kept = kept_keys(key_padding ? key_padding + b * s.keys : nullptr, s.keys, kept_room.data());
      const Index kv = kv_head * s.group();
      fill(dk_acc.data(), kept.count * whole, T(0));
      fill(dv_acc.data(), kept.count * whole, T(0));
      for (Index h = kv; h < kv + s.group(); ++h) {
        const T* head_bias = bias ? bias + s.bias_at(b, h) : nullptr;
        for (Index block = 0; block < s.queries; block += query_block) {
          const Index queries = s.queries - block < query_block ? s.queries - block : query_block;
          const T *q_rows = q + s.q_at(b, h, block), *g_rows = dout + s.out_at(b, h, block);
          const Rows<T> whole_q = whole_rows<T>({q_rows, s.q_row}, s.width, queries, q_room.data());
          const Rows<T> whole_g = whole_rows<T>({g_rows, s.out_row}, s.width, queries, g_room.data());
          Index n_strips = 0, most = 0;
          for (Index t = 0; t < queries; t += W, ++n_strips) {
            Strip<T>& strip = strips[n_strips];
            strip.open(block + t, s.queries, s.keys, s.causal, kept, &sees[t]);
            across(&across_q[t * s.width], q_rows + t * s.q_row, s.q_row, s.width, strip.count, scale * log2_of_e<T>);
            across(&across_g[t * s.width], g_rows + t * s.out_row, s.out_row, s.width, strip.count, T(1));
            across(across_out.data(), out + s.out_at(b, h, block + t), s.out_row, s.width, strip.count, T(1));
            dot_lanes(strip.count, s.width, &across_g[t * s.width], across_out.data(), &delta[t]);
            if (strip.most == 0) fill(&dq_acc[t * s.width], panel, T(0));
            if (strip.most > most) most = strip.most;
          }
          for (Index i = 0; i < n_strips * W; ++i) {  // a query without keys: weights 2^-inf
            const T x = i < queries ? lse[(b * s.heads + h) * s.queries + block + i] : T(0);
            row_lse[i] = x == -infinite<T> ? infinite<T> : x;
          }

          for (Index first = 0; first < most; first += key_block) {
            const Index keys = most - first < key_block ? most - first : key_block;
            const Rows<T> k_rows = kept_rows<T>({k + s.k_at(b, h), s.k_row}, s.width, kept, first, keys, k_room.data());
            const Rows<T> v_rows = kept_rows<T>({v + s.v_at(b, h), s.v_row}, s.width, kept, first, keys, v_room.data());
            Index from = queries;  // first query with any of these keys
            for (Index t = 0; t < queries; t += W) {
              const Strip<T>& strip = strips[t / W];
              const Index n = strip.most - first < keys ? strip.most - first : keys;
              if (n <= 0) continue;
              if (from == queries) from = t;
              T *p = &scores[t], *d = &ds[t];
              strip.scores(&across_q[t * s.width], k_rows, s.width, head_bias, s.bias_row, kept, first, n, p,
                           query_block);
              strip_product<T>(n, s.width, v_rows.by_rows(), {&across_g[t * s.width], W, d, query_block});
              weigh(strip.count, n, p, d, &row_lse[t], &delta[t]);
              strip_product<T>(s.width, n, k_rows.by_columns(), {d, query_block, &dq_acc[t * s.width], W, first > 0});
              for (Index j = n; j < keys; ++j) {
                fill(p + j * query_block, W, T(0));
                fill(d + j * query_block, W, T(0));
              }
            }
            const Index seeing = queries - from;
            wide_product<T>(
                whole, keys, seeing, {&scores[from], query_block, 1},
                {whole_g.data + from * whole_g.stride, whole_g.stride, &dv_acc[first * whole], whole, true});
            wide_product<T>(
                whole, keys, seeing, {&ds[from], query_block, 1},
                {whole_q.data + from * whole_q.stride, whole_q.stride, &dk_acc[first * whole], whole, true});
            if (!dbias) continue;
            transpose(keys, seeing, &ds[from], query_block, turned.data(), key_block);
            for (Index i = 0; i < seeing; ++i) {
              T* row = dbias + s.bias_at(b, h) + (block + from + i) * s.bias_row;
              for (Index j = 0; j < keys; ++j) row[kept[first + j]] += turned[i * key_block + j];
            }
          }
          for (Index t = 0; t < queries; t += W) {
            turn<T>(false, s.width, strips[t / W].count, &dq_acc[t * s.width], W, dq + s.q_at(b, h, block + t), s.q_row,
                    {scale});
          }
        }
      }
      for (Index j = 0, n = 0; j < s.keys; ++j) {
        T *dk_row = dk + s.k_at(b, kv) + j * s.k_row, *dv_row = dv + s.v_at(b, kv) + j * s.v_row;
        if (n < kept.count && kept[n] == j) {
          copy_scaled(&dk_acc[n * whole], dk_row, s.width, scale);
          copy_scaled(&dv_acc[n * whole], dv_row, s.width, T(1));
          ++n;
        } else {
          fill(dk_row, s.width, T(0));
          fill(dv_row, s.width, T(0));
        }
      }
    };
    for (Index task = begin; task < end; ++task) {
      const Index b = task / head_tasks, h = task % head_tasks;
      for (Index i = b; i < (batch_shares ? s.batch : b + 1); ++i) {
        for (Index j = h; j < (heads_share ? s.kv_heads : h + 1); ++j) run(i, j);
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel

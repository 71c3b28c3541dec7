// Attention against its definition in double, all options at sizes around every tile edge; its adjoint against the
// definition's and against finite differences; and the laws its header promises, bit for bit.
#include <tessera/kernel/attention.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using tessera::Index;
using tessera::kernel::attention;
using tessera::kernel::attention_adjoint;
using tessera::kernel::AttentionShape;

std::size_t z(Index i) { return static_cast<std::size_t>(i); }

std::vector<double> numbers(Index n, unsigned seed, double scale = 1) {  // roughly normal
  std::vector<double> x(z(n));
  std::uint64_t state = seed * 2654435761u + 88172645463325252ull;
  for (double& v : x) {
    v = -6;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      v += static_cast<double>(state >> 11) * 0x1p-53;
    }
    v *= scale;
  }
  return x;
}
template <class T>
std::vector<T> as(const std::vector<double>& x) {
  std::vector<T> y;
  for (double v : x) y.push_back(static_cast<T>(v));
  return y;
}

struct Options {
  bool causal = false, padded = false, biased = false, shared_bias = false;
};
template <class T>
struct Problem {
  AttentionShape s;
  std::vector<T> q, k, v, dout, bias;
  std::vector<std::uint8_t> keep;

  const std::uint8_t* padding() const { return keep.empty() ? nullptr : keep.data(); }
  const T* bias_data() const { return bias.empty() ? nullptr : bias.data(); }
};
template <class T>
struct Result {
  std::vector<T> out, lse, dq, dk, dv, dbias;
};

template <class T>
Problem<T> problem(AttentionShape s, Options o, unsigned seed = 1) {
  Problem<T> p;
  s.causal = o.causal;
  if (o.shared_bias) s.bias_head = 0;
  p.s = s;
  p.q = as<T>(numbers(s.batch * s.q_batch, seed));
  p.k = as<T>(numbers(s.batch * s.k_batch, seed + 1));
  p.v = as<T>(numbers(s.batch * s.v_batch, seed + 2));
  p.dout = as<T>(numbers(s.batch * s.out_batch, seed + 3));
  if (o.padded) {
    p.keep.resize(z(s.batch * s.keys));
    for (Index i = 0; i < s.batch * s.keys; ++i) p.keep[z(i)] = i % 3 != 1 || i == s.keys - 1;
  }
  if (o.biased) {
    p.bias = as<T>(numbers((o.shared_bias ? 1 : s.heads) * s.queries * s.keys, seed + 4));
    for (std::size_t i = 0; i < p.bias.size(); i += 7) p.bias[i] = -std::numeric_limits<T>::infinity();
  }
  return p;
}

template <class T>
Result<T> run(const Problem<T>& p, bool adjoint = true) {
  const AttentionShape& s = p.s;
  Result<T> r;
  const T poison = std::numeric_limits<T>::quiet_NaN();  // everything must be written
  r.out.assign(p.dout.size(), poison);
  r.lse.assign(z(s.batch * s.heads * s.queries), poison);
  attention<T>(s, p.q.data(), p.k.data(), p.v.data(), p.padding(), p.bias_data(), r.out.data(), r.lse.data());
  if (!adjoint) return r;
  r.dq.assign(p.q.size(), poison);
  r.dk.assign(p.k.size(), poison);
  r.dv.assign(p.v.size(), poison);
  r.dbias.assign(p.bias.size(), poison);
  attention_adjoint<T>(s, p.q.data(), p.k.data(), p.v.data(), p.padding(), p.bias_data(), r.out.data(), r.lse.data(),
                       p.dout.data(), r.dq.data(), r.dk.data(), r.dv.data(), p.bias.empty() ? nullptr : r.dbias.data());
  return r;
}

/// The definition, row by row, in double.
template <class T>
Result<double> definition(const Problem<T>& p) {
  const AttentionShape& s = p.s;
  Result<double> r;
  r.out.assign(p.dout.size(), 0);
  r.dq.assign(p.q.size(), 0);
  r.dk.assign(p.k.size(), 0);
  r.dv.assign(p.v.size(), 0);
  r.dbias.assign(p.bias.size(), 0);
  const double scale = s.scale == 0 ? 1 / std::sqrt(static_cast<double>(s.width)) : s.scale;
  std::vector<double> weight(z(s.keys)), dweight(z(s.keys));
  for (Index b = 0; b < s.batch; ++b) {
    for (Index h = 0; h < s.heads; ++h) {
      const Index kv = h / (s.heads / s.kv_heads);
      const auto k_at = [&](Index j, Index d) { return z(b * s.k_batch + j * s.k_row + kv * s.k_head + d); };
      const auto v_at = [&](Index j, Index d) { return z(b * s.v_batch + j * s.v_row + kv * s.v_head + d); };
      for (Index i = 0; i < s.queries; ++i) {
        const auto q_at = [&](Index d) { return z(b * s.q_batch + i * s.q_row + h * s.q_head + d); };
        const auto o_at = [&](Index d) { return z(b * s.out_batch + i * s.out_row + h * s.out_head + d); };
        const auto bias_at = [&](Index j) { return z(b * s.bias_batch + h * s.bias_head + i * s.bias_row + j); };
        double top = -std::numeric_limits<double>::infinity(), total = 0, mean = 0;
        for (Index j = 0; j < s.keys; ++j) {
          double x = 0;
          for (Index d = 0; d < s.width; ++d) x += double(p.q[q_at(d)]) * double(p.k[k_at(j, d)]);
          x *= scale;
          if (!p.bias.empty()) x += double(p.bias[bias_at(j)]);
          if ((s.causal && j > i + s.keys - s.queries) || (!p.keep.empty() && !p.keep[z(b * s.keys + j)])) {
            x = -std::numeric_limits<double>::infinity();
          }
          weight[z(j)] = x;
          top = x > top ? x : top;
        }
        if (std::isinf(top)) continue;
        for (double& x : weight) total += x = std::exp(x - top);
        for (Index j = 0; j < s.keys; ++j) {
          weight[z(j)] /= total;
          double x = 0;
          for (Index d = 0; d < s.width; ++d) {
            r.out[o_at(d)] += weight[z(j)] * double(p.v[v_at(j, d)]);
            x += double(p.dout[o_at(d)]) * double(p.v[v_at(j, d)]);
          }
          dweight[z(j)] = x;
          mean += x * weight[z(j)];
        }
        for (Index j = 0; j < s.keys; ++j) {
          const double ds = weight[z(j)] * (dweight[z(j)] - mean);
          if (!p.bias.empty()) r.dbias[bias_at(j)] += ds;
          for (Index d = 0; d < s.width; ++d) {
            r.dq[q_at(d)] += scale * ds * double(p.k[k_at(j, d)]);
            r.dk[k_at(j, d)] += scale * ds * double(p.q[q_at(d)]);
            r.dv[v_at(j, d)] += weight[z(j)] * double(p.dout[o_at(d)]);
          }
        }
      }
    }
  }
  return r;
}

/// Largest difference, in units of the larger of 1 and the largest number.
template <class T>
double error(const std::vector<T>& x, const std::vector<double>& y) {
  if (x.size() != y.size()) return 1e9;
  double worst = 0, top = 1;
  for (double v : y) top = std::abs(v) > top ? std::abs(v) : top;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double e = std::abs(double(x[i]) - y[i]);
    if (!(e <= worst)) worst = std::isnan(e) ? 1e9 : e;
  }
  return worst / top;
}
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class T>
void check(const AttentionShape& s, Options o) {
  const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  const Problem<T> p = problem<T>(s, o);
  const Result<T> r = run(p);
  const Result<double> d = definition(p);
  CAPTURE(s.batch, s.queries, s.keys, s.heads, s.kv_heads, s.width, o.causal, o.padded, o.biased, o.shared_bias);
  CHECK(error(r.out, d.out) < tolerance);
  CHECK(error(r.dq, d.dq) < tolerance);
  CHECK(error(r.dk, d.dk) < tolerance);
  CHECK(error(r.dv, d.dv) < tolerance);
  if (!p.bias.empty()) CHECK(error(r.dbias, d.dbias) < tolerance);
}
template <class T>
void check_all_options(const AttentionShape& s) {
  for (int o = 0; o < 8; ++o) check<T>(s, {(o & 1) != 0, (o & 2) != 0, (o & 4) != 0, o == 6});
}

}  // namespace

TEST_CASE("attention and its adjoint follow the definition around every tile edge", "[kernel]") {
  for (Index n : {1, 7, 16, 24, 63, 64, 65, 97, 150})
    check_all_options<float>(AttentionShape::dense(1, n, n, 2, 2, 24));
  for (Index width : {1, 3, 5, 7, 8, 13, 16, 31, 32, 64, 100})
    check_all_options<float>(AttentionShape::dense(1, 37, 67, 1, 1, width));
}

TEST_CASE("attention crosses from any number of queries to any number of keys", "[kernel]") {
  for (Index queries : {1, 5, 33, 64}) {
    for (Index keys : {1, 24, 65, 130}) check_all_options<float>(AttentionShape::dense(2, queries, keys, 2, 1, 8));
  }
  check_all_options<float>(AttentionShape::dense(2, 5, 0, 2, 1, 8));
  check_all_options<float>(AttentionShape::dense(2, 0, 5, 2, 1, 8));
}

TEST_CASE("heads may share keys and values", "[kernel]") {
  check_all_options<float>(AttentionShape::dense(2, 40, 70, 6, 2, 20));
  check_all_options<float>(AttentionShape::dense(2, 40, 70, 6, 1, 20));
}

TEST_CASE("attention in double is the same algorithm", "[kernel]") {
  check_all_options<double>(AttentionShape::dense(2, 19, 70, 4, 2, 5));
  AttentionShape s = AttentionShape::dense(1, 19, 21, 1, 1, 5);
  s.scale = 0.7;
  check_all_options<double>(s);
}

TEST_CASE("attention works in place on interleaved and head-major memory", "[kernel]") {
  const Index B = 2, T = 35, H = 3, D = 12;
  AttentionShape s = AttentionShape::dense(B, T, T, H, H, D);
  const Problem<float> p = problem<float>(s, {.causal = true});
  const Result<float> r = run(p);

  AttentionShape t = s;  // q, k, v: [B, T, 3, H, D], one float off any alignment; out: [B, H, T, D]
  t.q_row = t.k_row = t.v_row = 3 * H * D;
  t.q_batch = t.k_batch = t.v_batch = T * t.q_row;
  t.out_row = D, t.out_head = T * D;
  t.causal = true;
  std::vector<float> qkv(z(3 * B * T * H * D + 1)), dqkv(qkv.size()), out(r.out.size()), dout(r.out.size()),
      lse(r.lse.size());
  const auto at = [&](Index b, Index i, Index c) { return z(1 + (b * T + i) * 3 * H * D + c); };
  for (Index b = 0; b < B; ++b) {
    for (Index i = 0; i < T; ++i) {
      for (Index c = 0; c < H * D; ++c) {
        const std::size_t from = z((b * T + i) * H * D + c);
        qkv[at(b, i, c)] = p.q[from];
        qkv[at(b, i, H * D + c)] = p.k[from];
        qkv[at(b, i, 2 * H * D + c)] = p.v[from];
        dout[z(((b * H + c / D) * T + i) * D + c % D)] = p.dout[from];
      }
    }
  }
  const float* q = qkv.data() + 1;
  float* dq = dqkv.data() + 1;
  attention<float>(t, q, q + H * D, q + 2 * H * D, nullptr, nullptr, out.data(), lse.data());
  attention_adjoint<float>(t, q, q + H * D, q + 2 * H * D, nullptr, nullptr, out.data(), lse.data(), dout.data(), dq,
                           dq + H * D, dq + 2 * H * D, nullptr);
  bool same = same_bits(lse, r.lse);
  for (Index b = 0; b < B; ++b) {
    for (Index i = 0; i < T; ++i) {
      for (Index c = 0; c < H * D; ++c) {
        const std::size_t from = z((b * T + i) * H * D + c);
        same = same && out[z(((b * H + c / D) * T + i) * D + c % D)] == r.out[from];
        same = same && dqkv[at(b, i, c)] == r.dq[from] && dqkv[at(b, i, H * D + c)] == r.dk[from];
        same = same && dqkv[at(b, i, 2 * H * D + c)] == r.dv[from];
      }
    }
  }
  CHECK(same);
}

TEST_CASE("the adjoint of attention agrees with finite differences", "[kernel]") {
  AttentionShape s = AttentionShape::dense(2, 5, 9, 2, 1, 3);
  Problem<double> p = problem<double>(s, {.causal = true, .padded = true, .biased = true, .shared_bias = true});
  const Result<double> r = run(p);
  const auto loss = [&] {
    const Result<double> a = run(p, false);
    double x = 0;
    for (std::size_t i = 0; i < a.out.size(); ++i) x += a.out[i] * p.dout[i];
    return x;
  };
  const auto worst = [&](std::vector<double>& x, const std::vector<double>& dx) {
    double e = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double was = x[i], h = 1e-5;
      if (std::isinf(was)) continue;
      x[i] = was + h;
      const double up = loss();
      x[i] = was - h;
      const double slope = (up - loss()) / (2 * h);
      x[i] = was;
      e = std::abs(slope - dx[i]) > e ? std::abs(slope - dx[i]) : e;
    }
    return e;
  };
  CHECK(worst(p.q, r.dq) < 1e-8);
  CHECK(worst(p.k, r.dk) < 1e-8);
  CHECK(worst(p.v, r.dv) < 1e-8);
  CHECK(worst(p.bias, r.dbias) < 1e-8);
}

TEST_CASE("a query's row does not depend on the other queries or on the rest of the batch", "[kernel]") {
  for (Index width : {5, 32, 64}) {
    const AttentionShape s = AttentionShape::dense(3, 150, 150, 2, 2, width);
    const Problem<float> p = problem<float>(s, {.causal = true});
    const Result<float> r = run(p);
    bool same = true;
    for (Index i :
         {0, 1, 2, 15, 16, 31, 63, 64, 100, 149}) {  // decoding: one query, the keys so far, the last batch item
      AttentionShape one = s;
      one.batch = 1, one.queries = 1, one.keys = i + 1;
      std::vector<float> out(z(s.out_row)), lse(2);
      attention<float>(one, p.q.data() + 2 * s.q_batch + i * s.q_row, p.k.data() + 2 * s.k_batch,
                       p.v.data() + 2 * s.v_batch, nullptr, nullptr, out.data(), lse.data());
      same = same &&
             std::memcmp(out.data(), r.out.data() + 2 * s.out_batch + i * s.out_row, out.size() * sizeof(float)) == 0;
      same = same && lse[1] == r.lse[z((2 * 2 + 1) * 150 + i)];
    }
    CHECK(same);
    AttentionShape alone = s;
    alone.batch = 1, alone.causal = true;
    Problem<float> last{alone,
                        {p.q.end() - s.q_batch, p.q.end()},
                        {p.k.end() - s.k_batch, p.k.end()},
                        {p.v.end() - s.v_batch, p.v.end()},
                        {p.dout.end() - s.out_batch, p.dout.end()},
                        {},
                        {}};
    const Result<float> a = run(last);
    CHECK(same_bits(a.out, std::vector<float>(r.out.end() - s.out_batch, r.out.end())));
    CHECK(same_bits(a.dq, std::vector<float>(r.dq.end() - s.q_batch, r.dq.end())));
    CHECK(same_bits(a.dk, std::vector<float>(r.dk.end() - s.k_batch, r.dk.end())));
    CHECK(same_bits(a.dv, std::vector<float>(r.dv.end() - s.v_batch, r.dv.end())));
  }
}

TEST_CASE("rows far apart and any number of threads give the same bits", "[kernel]") {
  for (const Index width : {20, 64}) {
    const Problem<float> p = problem<float>(AttentionShape::dense(3, 90, 100, 4, 2, width), {.causal = true});
    const Result<float> r = run(p);
    const int threads = tessera::threads();
    for (const int n : {1, 2, 5}) {
      tessera::set_threads(n);
      const Result<float> a = run(p);
      CHECK((same_bits(a.out, r.out) && same_bits(a.dq, r.dq) && same_bits(a.dk, r.dk) && same_bits(a.dv, r.dv)));
    }
    tessera::set_threads(threads);

    Problem<float> far = p;
    AttentionShape& s = far.s;
    s.q_row = s.k_row = s.v_row = s.out_row = 2053;
    s.q_batch = s.out_batch = 90 * 2053, s.k_batch = s.v_batch = 100 * 2053;
    const auto spread = [](const std::vector<float>& x, Index row) {
      std::vector<float> y(x.size() / z(row) * 2053);
      for (std::size_t i = 0; i < x.size(); ++i) y[i / z(row) * 2053 + i % z(row)] = x[i];
      return y;
    };
    const Index q_row = p.s.q_row, k_row = p.s.k_row;
    far.q = spread(p.q, q_row), far.k = spread(p.k, k_row), far.v = spread(p.v, k_row),
    far.dout = spread(p.dout, q_row);
    const Result<float> a = run(far);
    const auto same = [](const std::vector<float>& x, const std::vector<float>& y, Index row) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (x[i] != y[i / z(row) * 2053 + i % z(row)]) return false;
      }
      return true;
    };
    CHECK((same(r.out, a.out, q_row) && same(r.dq, a.dq, q_row) && same(r.dk, a.dk, k_row) && same(r.dv, a.dv, k_row)));
  }
}

TEST_CASE("padded keys are as if they were not there, whatever stands in them", "[kernel]") {
  const Index kept = 70, keys = 150;
  Problem<float> all = problem<float>(AttentionShape::dense(1, 33, keys, 2, 2, 20), {.biased = true});
  Problem<float> few = problem<float>(AttentionShape::dense(1, 33, kept, 2, 2, 20), {});
  few.q = all.q, few.dout = all.dout;
  few.bias.resize(z(2 * 33 * kept));
  all.keep.assign(z(keys), 0);
  for (Index j = 0, n = 0; j < keys; ++j) {
    const bool keep = n < kept && (j % 2 == 0 || keys - j <= kept - n);
    all.keep[z(j)] = keep;
    for (Index c = 0; c < 40; ++c) {
      float &k = all.k[z(j * 40 + c)], &v = all.v[z(j * 40 + c)];
      if (keep)
        few.k[z(n * 40 + c)] = k, few.v[z(n * 40 + c)] = v;
      else
        k = v = std::numeric_limits<float>::quiet_NaN();
    }
    for (Index row = 0; row < 66; ++row) {
      if (keep) few.bias[z(row * kept + n)] = all.bias[z(row * keys + j)];
    }
    n += keep;
  }
  const Result<float> a = run(all), f = run(few);
  CHECK(same_bits(a.out, f.out));
  CHECK(same_bits(a.dq, f.dq));
  bool same = true;
  for (Index j = 0, n = 0; j < keys; ++j) {
    for (Index c = 0; c < 40; ++c) {
      same = same && a.dk[z(j * 40 + c)] == (all.keep[z(j)] ? f.dk[z(n * 40 + c)] : 0.0f);
      same = same && a.dv[z(j * 40 + c)] == (all.keep[z(j)] ? f.dv[z(n * 40 + c)] : 0.0f);
    }
    n += all.keep[z(j)];
  }
  CHECK(same);
}

TEST_CASE("a query without keys gives zeros and takes no gradient", "[kernel]") {
  const auto zero = [](const std::vector<float>& x) {
    for (float v : x) {
      if (!(v == 0)) return false;
    }
    return true;
  };
  Problem<float> p =
      problem<float>(AttentionShape::dense(1, 20, 9, 1, 1, 8), {.causal = true});  // 11 queries see nothing
  Result<float> r = run(p);
  CHECK(zero({r.out.begin(), r.out.begin() + 11 * 8}));
  CHECK(zero({r.dq.begin(), r.dq.begin() + 11 * 8}));
  CHECK(r.out[11 * 8] == Approx(p.v[0]));
  CHECK(error(r.dk, definition(p).dk) < 1e-5);

  p.keep.assign(9, 0);
  r = run(p);
  CHECK((zero(r.out) && zero(r.dq) && zero(r.dk) && zero(r.dv)));

  p.keep.clear();
  p.s.causal = false;
  p.bias.assign(20 * 9, -std::numeric_limits<float>::infinity());
  r = run(p);
  CHECK((zero(r.out) && zero(r.dq) && zero(r.dk) && zero(r.dv) && zero(r.dbias)));
}

TEST_CASE("large scores neither overflow nor lose the winner", "[kernel]") {
  Problem<float> p = problem<float>(AttentionShape::dense(1, 40, 90, 1, 1, 16), {});
  for (float& x : p.q) x *= 1e4f;
  for (float& x : p.k) x *= 1e4f;
  const Result<float> r = run(p);
  CHECK(error(r.out, definition(p).out) < 1e-5);
  for (float x : r.dq) CHECK(std::isfinite(x));
}

TEST_CASE("not a number comes out where one goes in", "[kernel]") {
  Problem<float> p = problem<float>(AttentionShape::dense(1, 3, 70, 1, 1, 4), {});
  p.q[4] = std::numeric_limits<float>::quiet_NaN();
  const Result<float> r = run(p, false);
  CHECK((std::isnan(r.out[4]) && !std::isnan(r.out[0]) && !std::isnan(r.out[8])));
}

TEST_CASE("attention without an adjoint keeps no row sums", "[kernel]") {
  const Problem<float> p = problem<float>(AttentionShape::dense(2, 17, 17, 2, 2, 8), {});
  std::vector<float> out(p.dout.size());
  attention<float>(p.s, p.q.data(), p.k.data(), p.v.data(), nullptr, nullptr, out.data(), nullptr);
  CHECK(same_bits(out, run(p).out));
}

// The units that may still come next, and their logits: what every rule of choice narrows down. The units stay in their own
// order, so what is drawn never depends on how a rule found what it keeps; nothing is sorted. One of these is reused from
// step to step, and then allocates nothing.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tessera/core/noise.hpp>
#include <tessera/kernel/softmax.hpp>
#include <utility>
#include <vector>

namespace tessera::inline TESSERA_ISA {

/// A token, a pixel level, a sample, a code.
using Unit = std::int32_t;

class Candidates {
 public:
  Candidates() = default;
  explicit Candidates(std::span<const float> logits) { reset(logits); }

  /// Starts anew from one logit a unit; those with -inf are left out. Throws number_error for NaN or +inf, or when
  /// nothing is left.
  void reset(std::span<const float> logits) {
    const std::size_t n = logits.size();
    room(n);
    std::size_t count = n;
    if (n > 0 && kernel::all_finite(static_cast<Index>(n), logits.data())) {
      std::memcpy(logits_.data(), logits.data(), n * sizeof(float));
      for (std::size_t i = 0; i < n; ++i) units_[i] = static_cast<Unit>(i);
    } else {
      count = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const float x = logits[i];
        if (!(x < INFINITY))
          throw number_error("choice: the logit of unit " + std::to_string(i) + " is " + std::to_string(x));
        units_[count] = static_cast<Unit>(i);
        logits_[count] = x;
        count += x > -INFINITY;
      }
    }
    if (count == 0)
      throw number_error("choice: none of " + std::to_string(n) +
                         " units may come next; what bans, forces or constrains them leaves none");
    count_ = count;
    known_ = false;
  }

  Index size() const { return static_cast<Index>(count_); }
  std::span<const Unit> units() const { return {units_.data(), count_}; }
  std::span<const float> logits() const { return {logits_.data(), count_}; }
  /// softmax of the logits that are left.
  std::span<const float> probabilities() {
    if (!known_) kernel::softmax<float>(1, size(), logits_.data(), probabilities_.data());
    known_ = true;
    return {probabilities_.data(), count_};
  }
  float greatest_logit() const { return kernel::max(size(), logits_.data()); }
  /// Place of the greatest logit, the first of equals.
  Index best() const {
    const float top = greatest_logit();
    Index i = 0;
    while (i + 1 < size() && logits_[static_cast<std::size_t>(i)] != top) ++i;
    return i;
  }

  /// Logits to write to; the probabilities are then those of the new ones.
  std::span<float> edit() {
    known_ = false;
    return {logits_.data(), count_};
  }

  /// Keeps the places for which keep(i) holds, and at least the best one.
  template <class Keep>
  void keep(const Keep& keep) {
    const Unit first_unit = units_[0];
    const float first_logit = logits_[0];
    std::size_t count = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      units_[count] = units_[i];
      logits_[count] = logits_[i];
      count += keep(static_cast<Index>(i)) ? 1 : 0;
    }
    if (count == 0) {  // only the first place has been written over
      units_[0] = first_unit;
      logits_[0] = first_logit;
      const auto at = static_cast<std::size_t>(best());
      units_[0] = units_[at];
      logits_[0] = logits_[at];
      count = 1;
    }
    count_ = count;
    known_ = false;
  }

  /// Keeps the k greatest logits; of equal ones the first.
  void keep_greatest(Index k) {
    if (k < 1 || k >= size()) return;
    if (k == 1) return keep([at = best()](Index i) { return i == at; });
    const float least = kth_greatest(static_cast<std::size_t>(k));
    Index above = 0;
    for (std::size_t i = 0; i < count_; ++i) above += logits_[i] > least;
    Index equal_left = k - above;
    keep([&](Index i) {
      const float x = logits_[static_cast<std::size_t>(i)];
      return x > least || (x == least && equal_left-- > 0);
    });
  }

  /// Keeps the places of least key(i, probability) until their probabilities reach `mass`; of equal keys the first.
  /// Those below `rare`, if it is given, have greater keys than all that is kept.
  template <class Key>
  void keep_least(double mass, const Key& key, float rare = 0) {
    const auto p = probabilities();
    std::size_t n = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      keys_[i] = key(static_cast<Index>(i), p[i]);
      places_[n] = static_cast<std::int32_t>(i);
      n += p[i] >= rare;
    }
    const float last = weighted_select(mass, n);
    double below = 0;
    for (std::size_t i = 0; i < count_; ++i) below += keys_[i] < last ? static_cast<double>(p[i]) : 0.0;
    keep([&](Index i) {
      const auto at = static_cast<std::size_t>(i);
      if (keys_[at] < last) return true;
      if (keys_[at] != last || below >= mass) return false;
      below += static_cast<double>(probabilities_[at]);
      return true;
    });
  }

  /// A place drawn by probability: draw `i` of the noise.
  Index draw(const Noise& noise, std::uint64_t i = 0) {
    // By blocks first, then within one.
    constexpr std::size_t block = 512;
    const auto p = probabilities();
    const auto sum_of = [&](std::size_t from) {
      const std::size_t n = count_ - from < block ? count_ - from : block;
      return static_cast<double>(kernel::sum(static_cast<Index>(n), p.data() + from));
    };
    double sum = 0;
    for (std::size_t from = 0; from < count_; from += block) sum += sum_of(from);
    const double mark = noise.unit(i) * sum;
    double below = 0;
    std::size_t from = 0;
    for (; from + block < count_; from += block) {
      const double part = sum_of(from);
      if (below + part > mark) break;
      below += part;
    }
    Index last = best();
    for (std::size_t k = from; k < count_ && k < from + block; ++k) {
      if (p[k] > 0) last = static_cast<Index>(k);  // rounding may leave the mark at the very end
      below += static_cast<double>(p[k]);
      if (below > mark) break;
    }
    return last;
  }

 private:
  void room(std::size_t n) {
    if (units_.size() >= n) return;
    for (auto* v : {&logits_, &probabilities_, &keys_}) v->resize(n);
    for (auto* v : {&units_, &places_}) v->resize(n);
  }

  /// The k-th greatest logit. The greatest of every 64 first: the k-th of those is a lower bound, and few logits pass
  /// it.
  float kth_greatest(std::size_t k) {
    constexpr std::size_t group = 64;
    const std::size_t groups = count_ / group;
    std::size_t n = 0;
    if (groups >= 4 * k) {
      for (std::size_t g = 0; g < groups; ++g)
        keys_[g] = kernel::max(static_cast<Index>(group), logits_.data() + g * group);
      const float bound = select(k, groups);
      for (std::size_t i = 0; i < count_; ++i) {
        keys_[n] = logits_[i];
        n += logits_[i] >= bound;
      }
    } else {
      for (; n < count_; ++n) keys_[n] = logits_[n];
    }
    return select(k, n);
  }

  static float middle(float a, float b, float c) {
    return a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
  }
  /// The k-th greatest of keys_[0 .. n), which it reorders.
  float select(std::size_t k, std::size_t n) {
    std::size_t first = 0, last = n;
    while (last - first > 1) {
      const float pivot = middle(keys_[first], keys_[first + (last - first) / 2], keys_[last - 1]);
      std::size_t greater = first, at = first, less = last;
      while (at < less) {
        if (keys_[at] > pivot)
          std::swap(keys_[greater++], keys_[at++]);
        else if (keys_[at] < pivot)
          std::swap(keys_[at], keys_[--less]);
        else
          ++at;
      }
      if (k <= greater - first) {
        last = greater;
      } else if (k <= less - first) {
        return pivot;
      } else {
        k -= less - first;
        first = less;
      }
    }
    return keys_[first];
  }
  /// The least key of places_[0 .. n) such that all up to it have `mass` together (or the greatest key there is).
  float weighted_select(double mass, std::size_t n) {
    std::size_t first = 0, last = n;
    double before = 0;
    float answer = -INFINITY;
    const auto key = [&](std::size_t i) { return keys_[static_cast<std::size_t>(places_[i])]; };
    const auto weight = [&](std::size_t i) {
      return static_cast<double>(probabilities_[static_cast<std::size_t>(places_[i])]);
    };
    while (first < last) {
      const float pivot = middle(key(first), key(first + (last - first) / 2), key(last - 1));
      std::size_t less = first, at = first, greater = last;
      while (at < greater) {
        if (key(at) < pivot)
          std::swap(places_[less++], places_[at++]);
        else if (key(at) > pivot)
          std::swap(places_[at], places_[--greater]);
        else
          ++at;
      }
      double under = 0, equal = 0;
      for (std::size_t i = first; i < less; ++i) under += weight(i);
      for (std::size_t i = less; i < greater; ++i) equal += weight(i);
      if (less > first && before + under >= mass) {
        last = less;
      } else {
        answer = pivot;
        if (before + under + equal >= mass) return pivot;
        before += under + equal;
        first = greater;
      }
    }
    return answer;
  }

  std::vector<Unit> units_;
  std::vector<float> logits_, probabilities_, keys_;
  std::vector<std::int32_t> places_;
  std::size_t count_ = 0;
  bool known_ = false;  // probabilities_ are those of logits_
};

}  // namespace tessera::inline TESSERA_ISA

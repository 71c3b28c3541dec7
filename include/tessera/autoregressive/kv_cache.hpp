// Keys and values of all units so far, for attention to look back on. A value: copies share their pages of 64 positions until
// one of them writes, so that a fork costs a handle a page and later at most one page's copy; prompts are thus cached by keeping
// the state that has read them.
//
// Formats: F32; F16, half the memory; I8, one scale (greatest / 127) for each position and head, a quarter (as in llama.cpp).
// What is read is what was written, rounded, whether the positions came one by one or together.
//
// Keys lie turned, number by number across a page's positions, as kernel::attention_cached reads them.
#pragma once

#include <cmath>
#include <tessera/core/tensor.hpp>
#include <tessera/kernel/attention_cached.hpp>
#include <tessera/kernel/half.hpp>
#include <tessera/kernel/transpose.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

enum class CacheFormat { f32, f16, i8 };

class KvCache {
 public:
  static constexpr Index page_size = kernel::attention_page;

  struct Config {
    Index layers = 1, heads = 1, width = 1;  // heads of keys and values; width of one
    CacheFormat format = CacheFormat::f32;
  };
  struct Page {
    const float* keys;    // [width, page_size]
    const float* values;  // [page_size, width]
  };

  KvCache() = default;
  explicit KvCache(Config c) : c_(c) {}

  const Config& config() const { return c_; }
  Index length() const { return length_; }
  /// Of this cache, shared pages included.
  Index bytes() const { return static_cast<Index>(pages_.size()) * page_bytes(); }

  /// Room for n more positions, to be written with put() before advance(n).
  void reserve(Index n) {
    while (static_cast<Index>(pages_.size()) * page_size < length_ + n)
      pages_.emplace_back(Shape{page_bytes()}, std::uint8_t{0});
  }
  /// Keys and values [heads, width] of one layer at a position.
  void put(Index layer, Index position, const float* keys, const float* values) {
    std::uint8_t* page = pages_[static_cast<std::size_t>(position / page_size)].data();
    for (Index h = 0; h < c_.heads; ++h) {
      const Index at = position % page_size;
      write(page + block_at(layer, h, 0), at, {at, page_size}, keys + h * c_.width);
      write(page + block_at(layer, h, 1), at, {at * c_.width, 1}, values + h * c_.width);
    }
  }
  void advance(Index n) { length_ += n; }
  /// Forgets all but the first n positions.
  void truncate(Index n) {
    if (n < 0 || n > length_)
      throw argument_error("KvCache: " + std::to_string(n) + " positions to keep of " + std::to_string(length_));
    length_ = n;
    pages_.resize(static_cast<std::size_t>((n + page_size - 1) / page_size));
  }

  /// Page i, of which the first n positions are wanted; what others hold is finite. `room` has 2 page_size width
  /// numbers, used when the format is not F32.
  Page page(Index layer, Index head, Index i, Index n, float* room) const {
    const std::uint8_t* page = pages_[static_cast<std::size_t>(i)].data();
    const std::uint8_t *k = page + block_at(layer, head, 0), *v = page + block_at(layer, head, 1);
    if (c_.format == CacheFormat::f32) return {reinterpret_cast<const float*>(k), reinterpret_cast<const float*>(v)};
    float *keys = room, *values = room + page_size * c_.width;
    if (c_.format == CacheFormat::f16) {
      kernel::widen(reinterpret_cast<const kernel::Half*>(k), page_size * c_.width, keys);
      kernel::widen(reinterpret_cast<const kernel::Half*>(v), n * c_.width, values);
    } else {
      const auto *key_scales = reinterpret_cast<const float*>(k), *value_scales = reinterpret_cast<const float*>(v);
      const auto *key_bytes = reinterpret_cast<const std::int8_t*>(k + scale_bytes()),
                 *value_bytes = reinterpret_cast<const std::int8_t*>(v + scale_bytes());
      for (Index d = 0; d < c_.width; ++d) {
        for (Index j = 0; j < page_size; ++j)
          keys[d * page_size + j] = key_scales[j] * static_cast<float>(key_bytes[d * page_size + j]);
      }
      for (Index j = 0; j < n; ++j) {
        for (Index d = 0; d < c_.width; ++d)
          values[j * c_.width + d] = value_scales[j] * static_cast<float>(value_bytes[j * c_.width + d]);
      }
    }
    return {keys, values};
  }
  /// All keys and values of one layer up to position n, side by side as attention wants them: [n, heads, width] each.
  void gather(Index layer, Index n, float* keys, float* values) const {
    kernel::parallel_for(c_.heads, 1, [&](Index begin, Index end) {
      const kernel::Scratch<float> room(2 * page_size * c_.width);
      for (Index h = begin; h < end; ++h) {
        for (Index first = 0; first < n; first += page_size) {
          const Index count = n - first < page_size ? n - first : page_size;
          const Page p = page(layer, h, first / page_size, count, room.data());
          const Index row = c_.heads * c_.width, to = first * row + h * c_.width;
          kernel::transpose(c_.width, count, p.keys, page_size, keys + to, row);
          for (Index j = 0; j < count; ++j)
            std::memcpy(values + to + j * row, p.values + j * c_.width,
                        static_cast<std::size_t>(c_.width) * sizeof(float));
        }
      }
    });
  }

 private:
  // A page is [layers, heads, 2] blocks of [page_size, width] numbers; with I8 the page_size scales stand first.
  Index number_bytes() const { return c_.format == CacheFormat::f32 ? 4 : c_.format == CacheFormat::f16 ? 2 : 1; }
  Index scale_bytes() const { return c_.format == CacheFormat::i8 ? page_size * 4 : 0; }
  Index block_bytes() const { return page_size * c_.width * number_bytes() + scale_bytes(); }
  Index page_bytes() const { return c_.layers * c_.heads * 2 * block_bytes(); }
  Index block_at(Index layer, Index head, Index which) const {
    return ((layer * c_.heads + head) * 2 + which) * block_bytes();
  }

  /// Where the numbers of a position lie in its block: number d at first + d * step.
  struct Line {
    Index first, step;
  };
  void write(std::uint8_t* block, Index at, Line line, const float* from) const {
    const Index w = c_.width;
    const auto put = [&](auto* to, auto&& number) {
      to += line.first;
      for (Index d = 0; d < w; ++d) to[d * line.step] = number(d);
    };
    if (c_.format == CacheFormat::f32) {
      put(reinterpret_cast<float*>(block), [&](Index d) { return from[d]; });
    } else if (c_.format == CacheFormat::f16) {
      kernel::Half some[16];
      put(reinterpret_cast<kernel::Half*>(block), [&](Index d) {
        if (d % 16 == 0) kernel::narrow(from + d, w - d < 16 ? w - d : 16, some);
        return some[d % 16];
      });
    } else {
      float top = 0;
      for (Index d = 0; d < w; ++d) top = std::abs(from[d]) > top ? std::abs(from[d]) : top;
      const float scale = top / 127, inverse = top > 0 ? 127 / top : 0.0f;
      std::memcpy(block + at * 4, &scale, 4);
      put(reinterpret_cast<std::int8_t*>(block + scale_bytes()),
          [&](Index d) { return static_cast<std::int8_t>(std::lrint(from[d] * inverse)); });
    }
  }

  Config c_;
  Index length_ = 0;
  std::vector<Tensor<std::uint8_t>> pages_;
};

}  // namespace tessera::inline TESSERA_ISA

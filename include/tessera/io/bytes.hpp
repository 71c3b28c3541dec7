// Bytes in and out of binary formats: one bounded cursor to read with, a few appends to write with, checked arithmetic.
//
// The rule for files from strangers: no count is believed before the bytes it promises are known to be there. Whatever
// takes bytes goes through ByteReader::take, which knows how many are left and names the field that ran out.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>

namespace tessera {

using Bytes = std::vector<std::uint8_t>;

/// The one form of an error in a file: `heart.png: width: expected 1 to 16384, found 0`. Anything that came out of the
/// file must have been through printable() or quoted().
[[noreturn]] inline void throw_io(std::string_view file, std::string_view field, std::string_view expected,
                                  std::string_view found) {
  std::string message = printable(file, 400);
  if (!field.empty()) message.append(": ").append(field);
  message.append(": expected ").append(expected).append(", found ").append(found);
  throw io_error(message);
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

namespace io_detail {

template <class T>
using bits_of =
    std::conditional_t<sizeof(T) == 1, std::uint8_t,
                       std::conditional_t<sizeof(T) == 2, std::uint16_t,
                                          std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;

template <class T>
concept Number = std::integral<T> || std::floating_point<T>;

}  // namespace io_detail

/// The number whose bytes stand at `from`, least significant first. The compilers turn the loop into one load.
template <io_detail::Number T>
T load_little(const std::uint8_t* from) {
  using Bits = io_detail::bits_of<T>;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) bits |= static_cast<std::uint64_t>(from[i]) << (8 * i);
  return std::bit_cast<T>(static_cast<Bits>(bits));
}

template <io_detail::Number T>
T load_big(const std::uint8_t* from) {
  using Bits = io_detail::bits_of<T>;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) bits = bits << 8 | from[i];
  return std::bit_cast<T>(static_cast<Bits>(bits));
}

template <io_detail::Number T>
void store_little(std::uint8_t* to, T value) {
  const auto bits = static_cast<std::uint64_t>(std::bit_cast<io_detail::bits_of<T>>(value));
  for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::uint8_t>(bits >> (8 * i));
}

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline void append(Bytes& out, std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  const std::size_t size = out.size();
  out.resize(size + bytes.size());  // g++ 12 warns of overflows that are none when a range is inserted instead
  std::memcpy(out.data() + size, bytes.data(), bytes.size());
}

inline void append(Bytes& out, std::string_view text) { append(out, as_bytes(text)); }

template <io_detail::Number T>
void append_little(Bytes& out, T value) {
  std::uint8_t bytes[sizeof(T)];
  store_little(bytes, value);
  append(out, bytes);
}

template <io_detail::Number T>
void append_big(Bytes& out, T value) {
  std::uint8_t bytes[sizeof(T)];
  store_little(bytes, value);
  for (std::size_t i = sizeof(T); i-- > 0;) out.push_back(bytes[i]);
}

/// Walks over bytes that belong to somebody else, from front to back, and never past the end.
class ByteReader {
 public:
  ByteReader(std::span<const std::uint8_t> bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  /// The next `count` bytes.
  std::span<const std::uint8_t> take(std::uint64_t count, std::string_view field) {
    if (count > remaining()) {
      fail(field, std::to_string(count) + " bytes at offset " + std::to_string(position_),
           std::to_string(remaining()) + " before the end of the file");
    }
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return taken;
  }

  template <io_detail::Number T>
  T little(std::string_view field) {
    return load_little<T>(take(sizeof(T), field).data());
  }

  template <io_detail::Number T>
  T big(std::string_view field) {
    return load_big<T>(take(sizeof(T), field).data());
  }

  /// The next bytes must be these, as a file's first ones that say what it is.
  void expect(std::string_view wanted, std::string_view field) {
    const std::string_view found = as_text(take(wanted.size(), field));
    if (found != wanted) fail(field, quoted(wanted), quoted(found));
  }

  [[noreturn]] void fail(std::string_view field, std::string_view expected, std::string_view found) const {
    throw_io(name_, field, expected, found);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::string name_;
  std::size_t position_ = 0;
};

}  // namespace tessera

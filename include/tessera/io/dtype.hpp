// The element types files hold, and their conversion to and from the types tensors hold.
//
// Floats convert to floats and whole numbers to whole numbers, never one to the other: a checkpoint that has token ids
// where weights should be is wrong, and quietly making floats of them would hide it. Whole numbers are range checked.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>

#include <tessera/core/index.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/half.hpp>

namespace tessera {

enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, u8, boolean };

inline constexpr DType all_dtypes[] = {DType::f64, DType::f32, DType::f16, DType::bf16,
                                       DType::i64, DType::i32, DType::u8,  DType::boolean};

/// As safetensors calls it.
constexpr std::string_view name_of(DType dtype) {
  constexpr std::string_view names[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL"};
  return names[static_cast<int>(dtype)];
}

constexpr std::uint64_t size_of(DType dtype) {
  constexpr std::uint64_t sizes[] = {8, 4, 2, 2, 8, 4, 1, 1};
  return sizes[static_cast<int>(dtype)];
}

constexpr bool is_float(DType dtype) { return dtype <= DType::bf16; }

constexpr std::optional<DType> dtype_named(std::string_view name) {
  for (const DType dtype : all_dtypes) {
    if (name_of(dtype) == name) return dtype;
  }
  return std::nullopt;
}

/// The types a tensor in a file can have in memory.
template <class T>
concept Storable = std::same_as<T, double> || std::same_as<T, float> || std::same_as<T, std::int64_t> ||
    std::same_as<T, std::int32_t> || std::same_as<T, std::uint8_t> || std::same_as<T, bool>;

/// The stored type that holds T as it is.
template <Storable T>
inline constexpr DType dtype_of = std::same_as<T, double>         ? DType::f64
                                  : std::same_as<T, float>        ? DType::f32
                                  : std::same_as<T, std::int64_t> ? DType::i64
                                  : std::same_as<T, std::int32_t> ? DType::i32
                                  : std::same_as<T, std::uint8_t> ? DType::u8
                                                                  : DType::boolean;

/// Whether values stored as `dtype` can be had as T.
template <Storable T>
constexpr bool convertible(DType dtype) {
  return is_float(dtype) == std::floating_point<T>;
}

namespace io_detail {

constexpr Index all_fine = -1;

/// Runs convert(i) for each element until one returns false. Returns that one, or all_fine.
template <class Convert>
Index for_each_element(Index count, Convert convert) {
  for (Index i = 0; i < count; ++i) {
    if (!convert(i)) return i;
  }
  return all_fine;
}

template <class To>
bool store_if_fits(std::int64_t value, To& to) {
  if constexpr (sizeof(To) < sizeof(value)) {
    if (value < std::numeric_limits<To>::min() || value > std::numeric_limits<To>::max()) return false;
  }
  to = static_cast<To>(value);
  return true;
}

inline std::int64_t load_whole(DType dtype, const std::uint8_t* from) {
  switch (dtype) {
    case DType::i64:
      return load_little<std::int64_t>(from);
    case DType::i32:
      return load_little<std::int32_t>(from);
    default:
      return *from;
  }
}

}  // namespace io_detail

/// Bytes of a file to values. Returns the index of the first value that does not fit T (or is no truth value), or -1.
/// The caller has checked that `count` values of the stored type are there and that the types are convertible.
template <Storable T>
Index decode_values(DType dtype, const std::uint8_t* from, Index count, T* to) {
  const auto size = static_cast<Index>(size_of(dtype));
  if (count == 0) return io_detail::all_fine;
  if constexpr (std::floating_point<T>) {
    const auto with = [&](auto load) {
      return io_detail::for_each_element(count, [&](Index i) {
        to[i] = static_cast<T>(load(from + i * size));
        return true;
      });
    };
    if (std::endian::native == std::endian::little && dtype == dtype_of<T>) {
      std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
      return io_detail::all_fine;
    }
    switch (dtype) {
      case DType::f64:
        return with(load_little<double>);
      case DType::f32:
        return with(load_little<float>);
      case DType::f16:
        return with([](const std::uint8_t* p) { return float_from_f16(load_little<std::uint16_t>(p)); });
      default:
        return with([](const std::uint8_t* p) { return float_from_bf16(load_little<std::uint16_t>(p)); });
    }
  } else {
    return io_detail::for_each_element(count, [&](Index i) {
      const std::int64_t value = io_detail::load_whole(dtype, from + i * size);
      return (dtype != DType::boolean || value <= 1) && io_detail::store_if_fits(value, to[i]);
    });
  }
}

/// Values to bytes of a file, with the same result.
template <Storable T>
Index encode_values(DType dtype, const T* from, Index count, std::uint8_t* to) {
  const auto size = static_cast<Index>(size_of(dtype));
  if (count == 0) return io_detail::all_fine;
  if constexpr (std::floating_point<T>) {
    const auto with = [&](auto convert) {
      return io_detail::for_each_element(count, [&](Index i) {
        store_little(to + i * size, convert(from[i]));
        return true;
      });
    };
    if (std::endian::native == std::endian::little && dtype == dtype_of<T>) {
      std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
      return io_detail::all_fine;
    }
    const auto narrow = [](T value) {
      if constexpr (std::same_as<T, double>)
        return float_rounded_to_odd(value);
      else
        return value;
    };
    switch (dtype) {
      case DType::f64:
        return with([](T value) { return static_cast<double>(value); });
      case DType::f32:
        return with([](T value) { return static_cast<float>(value); });
      case DType::f16:
        return with([&](T value) { return f16_from_float(narrow(value)); });
      default:
        return with([&](T value) { return bf16_from_float(narrow(value)); });
    }
  } else {
    return io_detail::for_each_element(count, [&](Index i) {
      const auto value = static_cast<std::int64_t>(from[i]);
      if (dtype == DType::boolean && (value < 0 || value > 1)) return false;
      switch (dtype) {
        case DType::i64:
          store_little(to + i * size, value);
          return true;
        case DType::i32: {
          std::int32_t narrow = 0;
          if (!io_detail::store_if_fits(value, narrow)) return false;
          store_little(to + i * size, narrow);
          return true;
        }
        default:
          return io_detail::store_if_fits(value, to[i]);
      }
    });
  }
}

/// Whether a stored value is neither NaN nor infinite. Whole numbers always are finite.
inline bool finite_bits(DType dtype, const std::uint8_t* from) {
  switch (dtype) {
    case DType::f64:
      return (load_little<std::uint64_t>(from) >> 52 & 0x7FFU) != 0x7FFU;
    case DType::f32:
      return (load_little<std::uint32_t>(from) >> 23 & 0xFFU) != 0xFFU;
    case DType::f16:
      return (load_little<std::uint16_t>(from) >> 10 & 0x1FU) != 0x1FU;
    case DType::bf16:
      return (load_little<std::uint16_t>(from) >> 7 & 0xFFU) != 0xFFU;
    default:
      return true;
  }
}

}  // namespace tessera

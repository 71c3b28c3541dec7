// NumPy's .npy: one array in a file (NEP 1; https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
//
//   "\x93NUMPY", version (two bytes), length of the header (2 bytes in version 1, 4 from version 2),
//   header    {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, spaces and a newline to a multiple of 64
//   data      row-major, or column-major if the header says so
//
// Read: versions 1 to 3, either byte order, either memory order, f8 f4 f2 i8 i4 u1 b1. Written: version 1, little
// endian, row-major. NumPy has no bfloat16.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/dtype.hpp>
#include <tessera/io/file.hpp>

namespace tessera {

namespace io_detail {

constexpr std::string_view npy_names[] = {"f8", "f4", "f2", "", "i8", "i4", "u1", "b1"};  // in the order of DType

struct NpyHeader {
  DType dtype = DType::f32;
  bool big_endian = false;
  bool fortran_order = false;
  Shape shape;
};

/// Reads the header: a dictionary as Python writes it, of three known keys in any order.
class NpyHeaderParser {
 public:
  NpyHeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  NpyHeader parse() {
    bool has_descr = false, has_order = false, has_shape = false;
    take('{');
    while (!next_is('}')) {
      const std::string_view key = string();
      const auto once = [&](bool& seen) {
        if (std::exchange(seen, true)) fail(quoted(key) + " once");
      };
      take(':');
      if (key == "descr") {
        once(has_descr);
        descr();
      } else if (key == "fortran_order") {
        once(has_order);
        fortran_order();
      } else if (key == "shape") {
        once(has_shape);
        shape();
      } else {
        fail("the keys descr, fortran_order and shape");
      }
      if (!next_is(',')) break;
      ++at_;
    }
    take('}');
    skip_space();
    if (at_ != text_.size()) fail("the end");
    if (!has_descr || !has_order || !has_shape) fail("descr, fortran_order and shape");
    return header_;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    throw_io(file_, "header: character " + std::to_string(at_), expected,
             at_ < text_.size() ? quoted(text_.substr(at_, 24)) : std::string("the end"));
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  bool next_is(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }

  void take(char c) {
    if (!next_is(c)) fail(std::string("'") + c + "'");
    ++at_;
  }

  std::string_view string() {
    if (!next_is('\'') && !next_is('"')) fail("a string");
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) fail("the string to end");
    const std::string_view content = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return content;
  }

  void descr() {
    if (next_is('[')) fail("one number an element, not a record");
    const std::size_t start = at_;
    const std::string_view found = string();
    const char order = found.empty() ? '?' : found[0];
    for (const DType dtype : all_dtypes) {
      const std::string_view name = npy_names[static_cast<int>(dtype)];
      const bool known_order = order == '<' || order == '>' || order == '=' || (order == '|' && size_of(dtype) == 1);
      if (known_order && !name.empty() && found.substr(1) == name) {
        header_.dtype = dtype;
        header_.big_endian = order == '>';
        return;
      }
    }
    at_ = start;
    fail("one of f8 f4 f2 i8 i4 u1 b1 after <, > or |");
  }

  void fortran_order() {
    skip_space();
    header_.fortran_order = text_.substr(at_, 4) == "True";
    const std::string_view word = header_.fortran_order ? "True" : "False";
    if (text_.substr(at_, word.size()) != word) fail("True or False");
    at_ += word.size();
  }

  void shape() {
    Index extents[Shape::max_rank] = {};
    int rank = 0;
    std::uint64_t product = 1;
    take('(');
    while (!next_is(')')) {
      if (rank == Shape::max_rank) fail("at most 8 extents");
      std::uint64_t extent = 0;
      if (at_ == text_.size() || text_[at_] < '0' || text_[at_] > '9') fail("an extent");
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        if (extent > std::uint64_t{1} << 56) fail("an extent below 2^56");
        extent = 10 * extent + static_cast<std::uint64_t>(text_[at_] - '0');
      }
      const auto next = checked_multiply(product, extent == 0 ? 1 : extent);  // Shape wants it so too
      if (!next || *next > std::uint64_t{1} << 56) fail("extents whose product is below 2^56");
      product = *next;
      extents[rank++] = static_cast<Index>(extent);
      if (!next_is(',')) break;
      ++at_;
    }
    take(')');
    header_.shape = Shape(extents, rank);
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  NpyHeader header_;
};

/// Column-major to row-major: walks the result in order, and where each element stands in `from`.
template <class T>
Tensor<T> from_fortran_order(const Tensor<T>& from) {
  const Shape& shape = from.shape();
  const int rank = shape.rank();
  Tensor<T> tensor(shape);
  T* to = tensor.data();
  Index strides[Shape::max_rank] = {}, position[Shape::max_rank] = {};
  Index stride = 1;
  for (int axis = 0; axis < rank; ++axis) strides[axis] = std::exchange(stride, stride * shape[axis]);
  Index at = 0;
  for (Index i = 0, n = shape.size(); i < n; ++i) {
    to[i] = from[at];
    for (int axis = rank - 1; axis >= 0; --axis) {
      at += strides[axis];
      if (++position[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      position[axis] = 0;
    }
  }
  return tensor;
}

}  // namespace io_detail

/// The array as T: floats convert to floats, whole numbers to whole numbers they fit. `name` stands for the file in
/// errors. Throws io_error.
template <Storable T>
Tensor<T> parse_npy(std::span<const std::uint8_t> bytes, const std::string& name = "npy") {
  ByteReader reader(bytes, name);
  reader.expect("\x93NUMPY", "magic");
  const auto version = reader.little<std::uint8_t>("version");
  reader.little<std::uint8_t>("version");
  if (version < 1 || version > 3) reader.fail("version", "1, 2 or 3", std::to_string(version));
  const std::uint64_t length =
      version == 1 ? reader.little<std::uint16_t>("header length") : reader.little<std::uint32_t>("header length");
  const io_detail::NpyHeader header = io_detail::NpyHeaderParser(as_text(reader.take(length, "header")), name).parse();
  if (!convertible<T>(header.dtype)) {
    reader.fail("type", std::floating_point<T> ? "f8, f4 or f2" : "i8, i4, u1 or b1",
                io_detail::npy_names[static_cast<int>(header.dtype)]);
  }
  const auto width = static_cast<std::size_t>(size_of(header.dtype));
  const auto count = static_cast<std::uint64_t>(header.shape.size());
  const auto wanted = checked_multiply(count, width);
  if (!wanted || *wanted != reader.remaining()) {
    reader.fail(
        "data",
        (wanted ? std::to_string(*wanted) + " bytes" : std::string("fewer")) + " for shape " + header.shape.to_string(),
        std::to_string(reader.remaining()));
  }
  std::span<const std::uint8_t> data = reader.take(*wanted, "data");
  Bytes swapped;
  if (header.big_endian && width > 1) {
    swapped.resize(data.size());
    for (std::size_t i = 0; i < data.size(); ++i) swapped[i] = data[i / width * width + (width - 1 - i % width)];
    data = swapped;
  }
  Tensor<T> tensor(header.shape);
  const Index bad = decode_values<T>(header.dtype, data.data(), tensor.size(), tensor.data());
  if (bad != io_detail::all_fine) {
    reader.fail(
        "element " + std::to_string(bad), "a value that fits " + std::string(name_of(dtype_of<T>)),
        std::to_string(io_detail::load_whole(header.dtype, data.data() + static_cast<std::size_t>(bad) * width)));
  }
  return header.fortran_order && header.shape.rank() > 1 ? io_detail::from_fortran_order(tensor) : tensor;
}

template <Storable T>
Tensor<T> read_npy(const std::string& path) {
  return parse_npy<T>(read_file(path), path);
}

/// The file's bytes. Throws argument_error for a type NumPy does not have or values that do not fit it.
template <Storable T>
Bytes encode_npy(const Tensor<T>& tensor, DType stored = dtype_of<T>) {
  if (!tensor) throw argument_error("write_npy: the tensor was never made");
  if (stored == DType::bf16 || !convertible<T>(stored)) {
    throw argument_error("write_npy: " + std::string(name_of(dtype_of<T>)) + " cannot be stored as " +
                         std::string(name_of(stored)));
  }
  std::string header = std::string("{'descr': '") + (size_of(stored) == 1 ? '|' : '<');
  header.append(io_detail::npy_names[static_cast<int>(stored)]).append("', 'fortran_order': False, 'shape': (");
  for (const Index extent : tensor.shape()) header += std::to_string(extent) + (tensor.rank() == 1 ? "," : ", ");
  if (tensor.rank() > 1) header.resize(header.size() - 2);
  header += "), }";
  constexpr std::size_t before = 10;  // magic, version, length
  while ((before + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  Bytes bytes;
  append(bytes, "\x93NUMPY\x01");
  bytes.push_back(0);
  append_little(bytes, static_cast<std::uint16_t>(header.size()));
  append(bytes, header);
  const std::size_t start = bytes.size();
  bytes.resize(start + static_cast<std::size_t>(tensor.size()) * size_of(stored));
  const Index bad = encode_values<T>(stored, tensor.data(), tensor.size(), bytes.data() + start);
  if (bad != io_detail::all_fine) {
    throw argument_error("write_npy: element " + std::to_string(bad) + " does not fit " + std::string(name_of(stored)));
  }
  return bytes;
}

template <Storable T>
void write_npy(const std::string& path, const Tensor<T>& tensor, DType stored = dtype_of<T>) {
  write_file(path, encode_npy(tensor, stored));
}

}  // namespace tessera

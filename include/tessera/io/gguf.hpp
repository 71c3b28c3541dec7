// GGUF: a model's settings, its vocabulary and its weights in one file, versions 2 and 3
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
//   "GGUF", version u32, tensor count u64, setting count u64
//   settings   key, kind u32, value; a text is a length u64 and its bytes, an array an element kind u32, a count u64
//              and its values
//   tensors    name, rank u32, extents u64 (the fastest first), type u32, offset u64 in the data
//   data       from the next multiple of general.alignment (32 if not set), as are all offsets
//
// Read: everything is checked before anything is kept. Settings and weights stay where they are in the file's bytes and
// are decoded on demand, so reading takes at most four times the file's size plus 1 MiB; tensors must not overlap, so
// neither do they promise more than there is. Shapes are turned round: [out, in] as everywhere in this library.
// Weights are F32, F16, BF16, or blocks of 32 that share a scale: Q8_0 and Q4_0 (kernel/quantized.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/shape.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/dtype.hpp>
#include <tessera/io/file.hpp>
#include <tessera/io/gguf_settings.hpp>
#include <tessera/io/text.hpp>

namespace tessera {

/// How a tensor is stored, by its number in the file.
enum class GgufType : std::uint32_t { f32 = 0, f16 = 1, q4_0 = 2, q8_0 = 8, bf16 = 30 };

/// The published name of a tensor type, of those too that are not read; empty for a number nobody has given.
constexpr std::string_view gguf_type_name(std::uint32_t type) {
  constexpr std::string_view names[] = {"F32",     "F16",    "Q4_0",    "Q4_1",  "",       "",      "Q5_0",  "Q5_1",
                                        "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
                                        "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
                                        "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};
  return type < std::size(names) ? names[type] : std::string_view();
}
constexpr std::string_view name_of(GgufType type) { return gguf_type_name(static_cast<std::uint32_t>(type)); }

class Gguf {
 public:
  GgufSettings settings;

  static Gguf read(const std::string& path) { return parse(read_file(path), path); }

  /// `name` stands for the file in errors. Throws io_error.
  static Gguf parse(Bytes bytes, const std::string& name);

  const std::string& source() const { return source_; }
  std::uint32_t version() const { return version_; }

  // Tensors. Those below throw io_error if there is no such tensor.
  std::size_t size() const { return tensors_.size(); }
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  std::vector<std::string> names() const;
  const Shape& shape(const std::string& name) const { return tensor(name).shape; }
  GgufType type(const std::string& name) const { return tensor(name).type; }
  /// As they stand in the file, row after row; valid as long as this object or a copy lives.
  std::span<const std::uint8_t> bytes(const std::string& name) const {
    const Entry& found = tensor(name);
    return std::span<const std::uint8_t>(*storage_).subspan(found.offset, found.bytes);
  }
  /// A copy as floats, whatever they are stored as.
  Tensor<float> get(const std::string& name) const;

 private:
  struct Entry {
    Shape shape;
    GgufType type = GgufType::f32;
    std::size_t offset = 0, bytes = 0;  // in the file
  };
  class Parser;

  const Entry& tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw_io(source_, "tensor " + quoted(name), "it to be there", "no such tensor");
    return found->second;
  }

  std::map<std::string, Entry> tensors_;
  std::shared_ptr<const Bytes> storage_;
  std::string source_;
  std::uint32_t version_ = 0;
};

/// Reads a file's bytes into a Gguf, or throws and leaves nothing.
class Gguf::Parser {
 public:
  Parser(const Bytes& bytes, const std::string& file) : reader_(bytes, file) {}

  void parse(Gguf& out) {
    reader_.expect("GGUF", "magic");
    out.version_ = reader_.little<std::uint32_t>("version");
    if (out.version_ == 0x02000000 || out.version_ == 0x03000000)
      reader_.fail("version", "2 or 3, little endian", "a big-endian file");
    if (out.version_ != 2 && out.version_ != 3) reader_.fail("version", "2 or 3", std::to_string(out.version_));
    const std::uint64_t tensor_count = reader_.count("tensor count", 8 + 4 + 4 + 8);
    const std::uint64_t setting_count = reader_.count("setting count", 8 + 4 + 1);
    for (std::uint64_t i = 0; i < setting_count; ++i) out.settings.read(reader_, i);
    for (std::uint64_t i = 0; i < tensor_count; ++i) read_tensor(out, i);
    place(out);
  }

 private:
  void read_tensor(Gguf& out, std::uint64_t number) {
    const auto [at, added] = out.tensors_.try_emplace(reader_.name("tensor " + std::to_string(number) + ": name"));
    const std::string field = "tensor " + quoted(at->first);
    if (!added) reader_.fail(field, "the name once", "a second tensor of that name");
    reader_.charge(sizeof(*at) + sizeof(void*), at->first.size());
    Entry& found = at->second;
    const auto rank = reader_.little<std::uint32_t>(field + ": rank");
    if (rank > 4) reader_.fail(field + ": rank", "at most 4", std::to_string(rank));
    std::uint64_t product = 1;
    Index extents[4] = {};
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto extent = reader_.little<std::uint64_t>(field + ": shape");
      const auto next = checked_multiply(product, extent == 0 ? 1 : extent);
      if (!next || *next > (std::uint64_t{1} << 56)) {
        reader_.fail(field + ": shape", "a product below 2^56", "an overflow at extent " + std::to_string(extent));
      }
      product = *next;
      extents[rank - 1 - i] = static_cast<Index>(extent);
    }
    found.shape = Shape(extents, static_cast<int>(rank));
    const auto type = reader_.little<std::uint32_t>(field + ": type");
    const auto elements = static_cast<std::uint64_t>(found.shape.size());
    found.type = static_cast<GgufType>(type);
    switch (found.type) {
      case GgufType::f32:
        found.bytes = elements * 4;
        break;
      case GgufType::f16:
      case GgufType::bf16:
        found.bytes = elements * 2;
        break;
      case GgufType::q8_0:
      case GgufType::q4_0:
        if (rank == 0 || extents[rank - 1] % 32 != 0) {
          reader_.fail(field + ": shape", "rows of whole blocks of 32 for " + std::string(name_of(found.type)),
                       found.shape.to_string());
        }
        found.bytes = elements / 32 * (found.type == GgufType::q8_0 ? 34 : 18);
        break;
      default: {
        const std::string_view known = gguf_type_name(type);
        reader_.fail(field + ": type", "one of F32 F16 BF16 Q8_0 Q4_0",
                     std::to_string(type) + (known.empty() ? "" : " (" + std::string(known) + ")"));
      }
    }
    // In the data so far: what it is in the file is known when the header ends.
    const auto offset = reader_.little<std::uint64_t>(field + ": offset");
    if (offset > std::numeric_limits<std::size_t>::max() / 4) {
      reader_.fail(field + ": offset", "one inside the file", std::to_string(offset));
    }
    found.offset = static_cast<std::size_t>(offset);
  }

  std::uint64_t alignment(const Gguf& out) {
    const std::string key = "general.alignment";
    if (!out.settings.contains(key)) return 32;
    const std::int64_t found = out.settings.integer(key);
    if (found < 1 || found > (1 << 30) || (found & (found - 1)) != 0)
      reader_.fail("setting " + quoted(key), "a power of two up to 2^30", std::to_string(found));
    return static_cast<std::uint64_t>(found);
  }

  /// Finds each tensor's bytes: aligned, inside the file, none shared.
  void place(Gguf& out) {
    const std::uint64_t unit = alignment(out), position = reader_.position();
    if (out.tensors_.empty()) return;
    reader_.take((unit - position % unit) % unit, "padding before the data");
    const std::uint64_t start = reader_.position(), size = reader_.remaining();
    std::vector<const std::pair<const std::string, Entry>*> order;
    order.reserve(out.tensors_.size());
    for (auto& item : out.tensors_) {
      Entry& found = item.second;
      const std::string field = "tensor " + quoted(item.first);
      if (found.offset % unit != 0) {
        reader_.fail(field + ": offset", "a multiple of " + std::to_string(unit), std::to_string(found.offset));
      }
      if (found.offset > size || found.bytes > size - found.offset) {
        reader_.fail(field + ": data",
                     std::to_string(found.bytes) + " bytes for " + std::string(name_of(found.type)) + " " +
                         found.shape.to_string() + " at offset " + std::to_string(found.offset) + " of the data",
                     std::to_string(found.offset > size ? 0 : size - found.offset) + " before the end of the file");
      }
      found.offset += static_cast<std::size_t>(start);
      if (found.bytes != 0) order.push_back(&item);
    }
    std::sort(order.begin(), order.end(),
              [](const auto* a, const auto* b) { return a->second.offset < b->second.offset; });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const Entry &last = order[i - 1]->second, &next = order[i]->second;
      if (next.offset < last.offset + last.bytes) {
        reader_.fail("tensor " + quoted(order[i]->first) + ": offset",
                     "at least " + std::to_string(last.offset + last.bytes - start) + ", the end of " +
                         quoted(order[i - 1]->first),
                     std::to_string(next.offset - start));
      }
    }
  }

  io_detail::GgufReader reader_;
};

inline Gguf Gguf::parse(Bytes bytes, const std::string& name) {
  Gguf out;
  out.source_ = name;
  out.storage_ = std::make_shared<const Bytes>(std::move(bytes));
  out.settings.source_ = name;
  out.settings.storage_ = out.storage_;
  Parser(*out.storage_, name).parse(out);
  return out;
}

inline std::vector<std::string> Gguf::names() const {
  std::vector<std::string> names;
  for (const auto& item : tensors_) names.push_back(item.first);
  return names;
}

inline Tensor<float> Gguf::get(const std::string& name) const {
  const Entry& found = tensor(name);
  Tensor<float> result(found.shape);
  const std::uint8_t* from = storage_->data() + found.offset;
  float* to = result.data();
  const auto plain = [&](DType dtype) { decode_values<float>(dtype, from, found.shape.size(), to); };
  const auto scale = [&] { return float_from_f16(load_little<std::uint16_t>(from)); };
  const Index blocks = found.shape.size() / 32;
  switch (found.type) {
    case GgufType::f32:
      plain(DType::f32);
      break;
    case GgufType::f16:
      plain(DType::f16);
      break;
    case GgufType::bf16:
      plain(DType::bf16);
      break;
    case GgufType::q8_0:
      for (Index b = 0; b < blocks; ++b, from += 34, to += 32) {
        const float d = scale();
        for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(static_cast<std::int8_t>(from[2 + i]));
      }
      break;
    case GgufType::q4_0:
      for (Index b = 0; b < blocks; ++b, from += 18, to += 32) {
        const float d = scale();
        for (int i = 0; i < 16; ++i) {
          to[i] = d * static_cast<float>((from[2 + i] & 15) - 8);
          to[i + 16] = d * static_cast<float>((from[2 + i] >> 4) - 8);
        }
      }
      break;
  }
  return result;
}

}  // namespace tessera

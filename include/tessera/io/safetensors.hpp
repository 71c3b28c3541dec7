// Safetensors: named tensors and a few strings in one file (https://github.com/huggingface/safetensors).
//
//   8 bytes   length N of the header, little endian
//   N bytes   JSON: {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
//   the rest  the tensors, row-major, little endian; offsets count from here
//
// Written: the same content gives the same bytes. Wider types first and by name within a type, as the reference
// implementation does, so that every tensor is aligned; the header is padded with spaces to a multiple of 8.
// Read: everything is checked before anything is kept. The tensors have to cover the data without hole or overlap, and
// reading takes at most four times the file's size plus 1 MiB. The file is kept whole; `get` converts on demand.
#pragma once

#include <algorithm>
#include <cstdint>
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
#include <tessera/io/json_text.hpp>

namespace tessera {

class Safetensors {
 public:
  std::map<std::string, std::string> metadata;

  static Safetensors read(const std::string& path) { return parse(read_file(path), path); }

  /// `name` stands for the file in errors. Throws io_error.
  static Safetensors parse(Bytes bytes, const std::string& name);

  /// The file it was read from; empty if it was made here.
  const std::string& source() const { return source_; }

  std::size_t size() const { return entries_.size(); }
  bool contains(const std::string& name) const { return entries_.count(name) != 0; }
  std::vector<std::string> names() const;

  // These throw io_error if there is no such tensor.
  const Shape& shape(const std::string& name) const { return entry(name).shape; }
  DType dtype(const std::string& name) const { return entry(name).dtype; }
  /// As they stand in the file, valid as long as this object has the tensor.
  std::span<const std::uint8_t> bytes(const std::string& name) const {
    const Entry& found = entry(name);
    return {found.data(), found.bytes()};
  }

  /// A copy of the tensor as T. Floats convert to floats, whole numbers to whole numbers they fit; else io_error.
  template <Storable T>
  Tensor<T> get(const std::string& name) const;

  /// Adds or replaces a tensor, as `stored` in the file. Throws argument_error for what a file cannot hold.
  template <Storable T>
  void put(const std::string& name, const Tensor<T>& tensor, DType stored = dtype_of<T>);

  void erase(const std::string& name) { entries_.erase(name); }

  /// Writes the file in one step (file.hpp). Throws io_error, and then nothing has changed.
  void write(const std::string& path) const;

  /// The file's bytes.
  Bytes encode() const;

  /// Names of the tensors that hold a NaN or an infinity, worth a warning before weights are used.
  std::vector<std::string> non_finite() const;

 private:
  struct Entry {
    Shape shape;
    DType dtype = DType::f32;
    std::shared_ptr<const Bytes> storage;  // the file, or what put() made
    std::size_t offset = 0;                // in storage

    std::size_t bytes() const {
      return static_cast<std::size_t>(static_cast<std::uint64_t>(shape.size()) * size_of(dtype));
    }
    const std::uint8_t* data() const { return storage->data() + offset; }
  };

  class Parser;

  const Entry& entry(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) throw_io(shown(), "tensor " + quoted(name), "it to be there", "no such tensor");
    return found->second;
  }

  std::string shown() const { return source_.empty() ? "safetensors" : source_; }
  std::string header() const;

  template <class See>
  void in_file_order(See see) const {
    for (const std::uint64_t width : {8U, 4U, 2U, 1U}) {
      for (const auto& [name, entry] : entries_) {
        if (size_of(entry.dtype) == width) see(name, entry);
      }
    }
  }

  std::map<std::string, Entry> entries_;
  std::string source_;
};

/// Reads a file's bytes into a Safetensors, or throws and leaves nothing.
class Safetensors::Parser {
 public:
  Parser(const Bytes& bytes, const std::string& file)
      : file_(file), reader_(bytes, file), allowance_(3 * bytes.size() + (1U << 20)) {}

  void parse(Safetensors& out) {
    const auto length = reader_.little<std::uint64_t>("header length");
    if (length > reader_.remaining()) {
      throw_io(file_, "header length", "at most " + std::to_string(reader_.remaining()) + ", what the file has left",
               std::to_string(length));
    }
    const auto header = reader_.take(length, "header");
    data_start_ = reader_.position();
    data_size_ = reader_.remaining();
    JsonReader json(as_text(header), file_ + ": header");
    bool has_metadata = false;
    json.object([&](std::string key) {
      if (key == "__metadata__") {
        if (std::exchange(has_metadata, true)) fail("__metadata__", "it once", "a second one");
        metadata(json, out.metadata);
      } else {
        const auto [at, added] = out.entries_.try_emplace(std::move(key));
        if (!added) fail(tensor(at->first), "the name once", "a second tensor of that name");
        charge(sizeof(*at), at->first.size());
        tensor_entry(json, at->first, at->second);
      }
    });
    json.finish();
    check_coverage(out);
  }

 private:
  [[noreturn]] void fail(const std::string& field, std::string_view expected, const std::string& found) const {
    throw_io(file_, field, expected, found);
  }

  static std::string tensor(const std::string& name) { return "tensor " + quoted(name); }

  /// Keeps the memory bound: a header of nothing but tiny entries would take many times its size once in maps.
  void charge(std::size_t node, std::size_t text) {
    constexpr std::size_t overhead = 56;  // a tree node's links and colour, the allocator's own share
    const std::size_t cost = node + overhead + (text > 15 ? text + 32 : 0);
    if (cost > allowance_) fail("header", "entries in proportion to the file", "too many small ones");
    allowance_ -= cost;
  }

  void metadata(JsonReader& json, std::map<std::string, std::string>& out) {
    json.object([&](std::string key) {
      const auto [at, added] = out.try_emplace(std::move(key));
      if (!added) fail("__metadata__", "each key once", "a second " + quoted(at->first));
      at->second = json.string();
      charge(sizeof(*at), at->first.size() + at->second.size());
    });
  }

  void tensor_entry(JsonReader& json, const std::string& name, Entry& entry) {
    bool has_dtype = false, has_shape = false, has_offsets = false;
    std::uint64_t begin = 0, end = 0;
    const auto once = [&](bool& seen, const char* field) {
      if (std::exchange(seen, true)) fail(tensor(name) + ": " + field, "it once", "a second one");
    };
    json.object([&](std::string key) {
      if (key == "dtype") {
        once(has_dtype, "dtype");
        const std::string found = json.string();
        const auto known = dtype_named(found);
        if (!known) fail(tensor(name) + ": dtype", "one of F64 F32 F16 BF16 I64 I32 U8 BOOL", quoted(found));
        entry.dtype = *known;
      } else if (key == "shape") {
        once(has_shape, "shape");
        entry.shape = shape(json, name);
      } else if (key == "data_offsets") {
        once(has_offsets, "data_offsets");
        int count = 0;
        json.array([&] {
          const std::uint64_t offset = natural(json, tensor(name) + ": data_offsets");
          if (count == 0) begin = offset;
          if (count == 1) end = offset;
          if (++count > 2) fail(tensor(name) + ": data_offsets", "two numbers", "more");
        });
        if (count != 2) fail(tensor(name) + ": data_offsets", "two numbers", std::to_string(count));
      } else {
        fail(tensor(name), "dtype, shape and data_offsets", quoted(key));
      }
    });
    if (!has_dtype) fail(tensor(name) + ": dtype", "it to be there", "none");
    if (!has_shape) fail(tensor(name) + ": shape", "it to be there", "none");
    if (!has_offsets) fail(tensor(name) + ": data_offsets", "it to be there", "none");
    if (begin > end || end > data_size_) {
      fail(tensor(name) + ": data_offsets",
           "0 <= begin <= end <= " + std::to_string(data_size_) + ", the data in the file",
           "[" + std::to_string(begin) + ", " + std::to_string(end) + "]");
    }
    const auto wanted = checked_multiply(static_cast<std::uint64_t>(entry.shape.size()), size_of(entry.dtype));
    if (!wanted || *wanted != end - begin) {
      fail(tensor(name) + ": data_offsets",
           (wanted ? std::to_string(*wanted) + " bytes" : std::string("fewer bytes")) + " for " +
               std::string(name_of(entry.dtype)) + " " + entry.shape.to_string(),
           std::to_string(end - begin) + " bytes");
    }
    entry.offset = data_start_ + static_cast<std::size_t>(begin);
  }

  std::uint64_t natural(JsonReader& json, const std::string& field) {
    const std::int64_t value = json.integer();
    if (value < 0) fail(field, "no negative number", std::to_string(value));
    return static_cast<std::uint64_t>(value);
  }

  Shape shape(JsonReader& json, const std::string& name) {
    Index extents[Shape::max_rank] = {};
    int rank = 0;
    std::uint64_t product = 1;
    json.array([&] {
      const std::uint64_t extent = natural(json, tensor(name) + ": shape");
      if (rank == Shape::max_rank) fail(tensor(name) + ": shape", "at most 8 extents", "more");
      const auto next = checked_multiply(product, extent == 0 ? 1 : extent);  // Shape wants it so too
      if (!next || *next > (std::uint64_t{1} << 56)) {
        fail(tensor(name) + ": shape", "a product below 2^56", "an overflow at extent " + std::to_string(extent));
      }
      product = *next;
      extents[rank++] = static_cast<Index>(extent);
    });
    return Shape(extents, rank);
  }

  /// The tensors, in the order of their offsets, must follow each other exactly from the data's first byte to its last.
  void check_coverage(const Safetensors& out) {
    std::vector<const std::pair<const std::string, Entry>*> order;
    order.reserve(out.entries_.size());
    for (const auto& item : out.entries_) order.push_back(&item);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
      const Entry &x = a->second, &y = b->second;
      return x.offset != y.offset ? x.offset < y.offset : x.bytes() < y.bytes();
    });
    std::size_t at = data_start_;
    for (const auto* item : order) {
      const std::size_t begin = item->second.offset;
      if (begin != at) {
        fail(tensor(item->first) + ": data_offsets", "it to begin at " + std::to_string(at - data_start_),
             std::to_string(begin - data_start_) + (begin < at ? " (tensors overlap)" : " (a hole)"));
      }
      at += item->second.bytes();
    }
    if (at != data_start_ + data_size_) {
      fail("data", std::to_string(at - data_start_) + " bytes for the tensors of the header",
           std::to_string(data_size_));
    }
  }

  const std::string& file_;
  ByteReader reader_;
  std::size_t allowance_;
  std::size_t data_start_ = 0;
  std::uint64_t data_size_ = 0;
};

inline Safetensors Safetensors::parse(Bytes bytes, const std::string& name) {
  Safetensors out;
  out.source_ = name;
  const auto storage = std::make_shared<const Bytes>(std::move(bytes));
  Parser(*storage, name).parse(out);
  for (auto& item : out.entries_) item.second.storage = storage;
  return out;
}

inline std::vector<std::string> Safetensors::names() const {
  std::vector<std::string> names;
  for (const auto& item : entries_) names.push_back(item.first);
  return names;
}

template <Storable T>
Tensor<T> Safetensors::get(const std::string& name) const {
  const Entry& found = entry(name);
  if (!convertible<T>(found.dtype)) {
    throw_io(shown(), "tensor " + quoted(name) + ": dtype",
             std::floating_point<T> ? "one of F64 F32 F16 BF16" : "one of I64 I32 U8 BOOL", name_of(found.dtype));
  }
  Tensor<T> tensor(found.shape);
  const Index bad = decode_values<T>(found.dtype, found.data(), found.shape.size(), tensor.data());
  if (bad != io_detail::all_fine) {
    const std::uint8_t* at = found.data() + static_cast<std::size_t>(bad) * size_of(found.dtype);
    throw_io(shown(), "tensor " + quoted(name) + ": element " + std::to_string(bad),
             found.dtype == DType::boolean ? "0 or 1" : "a value that fits " + std::string(name_of(dtype_of<T>)),
             std::to_string(io_detail::load_whole(found.dtype, at)));
  }
  return tensor;
}

template <Storable T>
void Safetensors::put(const std::string& name, const Tensor<T>& tensor, DType stored) {
  if (!valid_utf8(name) || name == "__metadata__") {
    throw argument_error("safetensors: a tensor cannot be called " + quoted(name));
  }
  if (!tensor)
    throw argument_error("safetensors: tensor " + quoted(name) + " has no elements to store: it was never made");
  if (!convertible<T>(stored)) {
    throw argument_error("safetensors: tensor " + quoted(name) + ": " + std::string(name_of(dtype_of<T>)) +
                         " cannot be stored as " + std::string(name_of(stored)));
  }
  auto bytes = std::make_shared<Bytes>(static_cast<std::size_t>(tensor.size()) * size_of(stored));
  const Index bad = encode_values<T>(stored, tensor.data(), tensor.size(), bytes->data());
  if (bad != io_detail::all_fine) {
    throw argument_error("safetensors: tensor " + quoted(name) + ": element " + std::to_string(bad) + " does not fit " +
                         std::string(name_of(stored)));
  }
  Entry& entry = entries_[name];
  entry.shape = tensor.shape();
  entry.dtype = stored;
  entry.storage = std::move(bytes);
  entry.offset = 0;
}

inline std::string Safetensors::header() const {
  std::string json = "{";
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, text] : metadata) {
      append_json(json, key);
      json += ':';
      append_json(json, text);
      json += ',';
    }
    json.back() = '}';
    json += ',';
  }
  std::size_t offset = 0;
  in_file_order([&](const std::string& name, const Entry& entry) {
    append_json(json, name);
    json.append(":{\"dtype\":\"").append(name_of(entry.dtype)).append("\",\"shape\":[");
    for (int i = 0; i < entry.shape.rank(); ++i) json.append(i != 0 ? "," : "").append(std::to_string(entry.shape[i]));
    json += "],\"data_offsets\":[" + std::to_string(offset) + ',' + std::to_string(offset + entry.bytes()) + "]},";
    offset += entry.bytes();
  });
  if (json.back() == ',')
    json.back() = '}';
  else
    json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');
  return json;
}

inline void Safetensors::write(const std::string& path) const {
  const std::string json = header();
  std::uint8_t length[8];
  store_little(length, static_cast<std::uint64_t>(json.size()));
  AtomicFile file(path);
  file.write(length);
  file.write(json);
  in_file_order([&](const std::string&, const Entry& entry) { file.write({entry.data(), entry.bytes()}); });
  file.commit();
}

inline Bytes Safetensors::encode() const {
  const std::string json = header();
  std::size_t size = 8 + json.size();
  for (const auto& item : entries_) size += item.second.bytes();
  Bytes out;
  out.reserve(size);
  append_little(out, static_cast<std::uint64_t>(json.size()));
  append(out, json);
  in_file_order([&](const std::string&, const Entry& entry) {
    append(out, std::span<const std::uint8_t>(entry.data(), entry.bytes()));
  });
  return out;
}

inline std::vector<std::string> Safetensors::non_finite() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) {
    const std::size_t width = size_of(entry.dtype), count = is_float(entry.dtype) ? entry.bytes() / width : 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (finite_bits(entry.dtype, entry.data() + i * width)) continue;
      names.push_back(name);
      break;
    }
  }
  return names;
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> Safetensors::get(const std::string&) const;
TESSERA_INSTANCE template void Safetensors::put(const std::string&, const Tensor<float>&, DType);
TESSERA_INSTANCE template Tensor<std::int32_t> Safetensors::get(const std::string&) const;
TESSERA_INSTANCE template void Safetensors::put(const std::string&, const Tensor<std::int32_t>&, DType);
TESSERA_INSTANCE template Tensor<std::int64_t> Safetensors::get(const std::string&) const;
TESSERA_INSTANCE template void Safetensors::put(const std::string&, const Tensor<std::int64_t>&, DType);
#endif

}  // namespace tessera

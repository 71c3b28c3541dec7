// The settings in the head of a GGUF file (gguf.hpp): named numbers, truths, texts and arrays of these.
//
// They stay where they are in the file's bytes and are decoded on demand, so that a vocabulary of 100,000 texts costs
// nothing until it is asked for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/io/bytes.hpp>
#include <tessera/io/text.hpp>

namespace tessera {

/// What a setting is, by its number in the file.
enum class GgufKind : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

constexpr std::string_view name_of(GgufKind kind) {
  constexpr std::string_view names[] = {"u8",      "i8",   "u16",   "i16", "u32", "i32", "f32",
                                        "boolean", "text", "array", "u64", "i64", "f64"};
  return names[static_cast<int>(kind)];
}

namespace io_detail {

/// The cursor of a GGUF file's parser: counts that must fit, texts, and a bound on what is kept.
class GgufReader : public ByteReader {
 public:
  GgufReader(const Bytes& bytes, const std::string& file)
      : ByteReader(bytes, file), allowance_(3 * bytes.size() + (1U << 20)) {}

  /// A number of things that take at least `least` bytes each.
  std::uint64_t count(const std::string& field, std::size_t least) {
    const auto found = little<std::uint64_t>(field);
    if (found > remaining() / least) {
      fail(field, "at most " + std::to_string(remaining() / least) + ", what the file has room for",
           std::to_string(found));
    }
    return found;
  }

  std::string_view text(const std::string& field) {
    const std::uint64_t length = count(field + ": length", 1);
    return as_text(take(length, field));
  }

  std::string name(const std::string& field) {
    const std::string_view found = text(field);
    if (found.empty() || !valid_utf8(found)) fail(field, "a name in UTF-8", quoted(found));
    return std::string(found);
  }

  /// Nothing but tiny entries would take many times their size once in maps. `node` is what a map holds, its key `text`
  /// long.
  void charge(std::size_t node, std::size_t text) {
    constexpr std::size_t overhead = 56;  // a tree node's links and colour, the allocator's own share
    const std::size_t cost = node + overhead + (text > 15 ? text + 32 : 0);
    if (cost > allowance_) fail("header", "entries in proportion to the file", "too many small ones");
    allowance_ -= cost;
  }

 private:
  std::size_t allowance_;
};

}  // namespace io_detail

/// All functions that take a key throw io_error if there is no such setting or it is of another kind.
class GgufSettings {
 public:
  std::size_t size() const { return settings_.size(); }
  bool contains(const std::string& key) const { return settings_.count(key) != 0; }
  std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    for (const auto& item : settings_) keys.push_back(item.first);
    return keys;
  }
  GgufKind kind(const std::string& key) const { return setting(key).kind; }
  /// Of an array's elements; the kind itself for all else.
  GgufKind element(const std::string& key) const { return setting(key).element; }
  /// Elements of an array; 1 for all else.
  std::uint64_t count(const std::string& key) const { return setting(key).count; }

  /// Of any kind of whole number.
  std::int64_t integer(const std::string& key) const {
    const Setting& found = setting(key);
    if (!is_whole(found.kind)) wrong_kind(key, "a whole number");
    return load_whole(key, found.kind, at(found));
  }
  /// Of any kind of number.
  double number(const std::string& key) const {
    const Setting& found = setting(key);
    if (!is_number(found.kind)) wrong_kind(key, "a number");
    return load_number(key, found.kind, at(found));
  }
  bool boolean(const std::string& key) const {
    const Setting& found = setting(key);
    if (found.kind != GgufKind::boolean) wrong_kind(key, "true or false");
    return *at(found) != 0;
  }
  std::string text(const std::string& key) const {
    const Setting& found = setting(key);
    if (found.kind != GgufKind::text) wrong_kind(key, "a text");
    return std::string(text_at(at(found)));
  }
  std::vector<std::int64_t> integers(const std::string& key) const {
    const Setting& found = setting(key);
    if (found.kind != GgufKind::array || !is_whole(found.element)) wrong_kind(key, "an array of whole numbers");
    return each<std::int64_t>(found, [&](const std::uint8_t* p) { return load_whole(key, found.element, p); });
  }
  std::vector<double> numbers(const std::string& key) const {
    const Setting& found = setting(key);
    if (found.kind != GgufKind::array || !is_number(found.element)) wrong_kind(key, "an array of numbers");
    return each<double>(found, [&](const std::uint8_t* p) { return load_number(key, found.element, p); });
  }
  /// Parts of the file's bytes: valid as long as the file or a copy of it lives.
  std::vector<std::string_view> texts(const std::string& key) const {
    const Setting& found = setting(key);
    if (found.kind != GgufKind::array || found.element != GgufKind::text) wrong_kind(key, "an array of texts");
    std::vector<std::string_view> values;
    values.reserve(static_cast<std::size_t>(found.count));
    const std::uint8_t* p = at(found);
    for (std::uint64_t i = 0; i < found.count; ++i, p += 8 + values.back().size()) values.push_back(text_at(p));
    return values;
  }

 private:
  friend class Gguf;

  struct Setting {
    GgufKind kind = GgufKind::u8, element = GgufKind::u8;
    std::uint64_t count = 1;
    std::size_t offset = 0;  // of the first element in the file
  };

  static constexpr std::size_t size_of(GgufKind kind) {  // 0 for text and array
    constexpr std::size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return sizes[static_cast<int>(kind)];
  }
  static constexpr bool is_number(GgufKind kind) { return size_of(kind) != 0 && kind != GgufKind::boolean; }
  static constexpr bool is_whole(GgufKind kind) {
    return is_number(kind) && kind != GgufKind::f32 && kind != GgufKind::f64;
  }

  const Setting& setting(const std::string& key) const {
    const auto found = settings_.find(key);
    if (found == settings_.end()) throw_io(source_, field(key), "it to be there", "no such setting");
    return found->second;
  }
  [[noreturn]] void wrong_kind(const std::string& key, std::string_view expected) const {
    const Setting& found = setting(key);
    std::string what(name_of(found.kind));
    if (found.kind == GgufKind::array) what += " of " + std::string(name_of(found.element));
    throw_io(source_, field(key), expected, what);
  }
  static std::string field(std::string_view key) { return "setting " + quoted(key); }

  const std::uint8_t* at(const Setting& found) const { return storage_->data() + found.offset; }
  static std::string_view text_at(const std::uint8_t* p) {
    return as_text({p + 8, static_cast<std::size_t>(load_little<std::uint64_t>(p))});
  }
  template <class Value, class Load>
  std::vector<Value> each(const Setting& found, const Load& load) const {
    std::vector<Value> values;
    values.reserve(static_cast<std::size_t>(found.count));
    const std::uint8_t* p = at(found);
    for (std::uint64_t i = 0; i < found.count; ++i, p += size_of(found.element)) values.push_back(load(p));
    return values;
  }

  std::int64_t load_whole(const std::string& key, GgufKind kind, const std::uint8_t* from) const {
    switch (kind) {
      case GgufKind::u8:
        return *from;
      case GgufKind::i8:
        return load_little<std::int8_t>(from);
      case GgufKind::u16:
        return load_little<std::uint16_t>(from);
      case GgufKind::i16:
        return load_little<std::int16_t>(from);
      case GgufKind::u32:
        return load_little<std::uint32_t>(from);
      case GgufKind::i32:
        return load_little<std::int32_t>(from);
      default:
        break;
    }
    const auto value = load_little<std::int64_t>(from);
    if (kind == GgufKind::u64 && value < 0)
      throw_io(source_, field(key), "a number below 2^63", std::to_string(load_little<std::uint64_t>(from)));
    return value;
  }
  double load_number(const std::string& key, GgufKind kind, const std::uint8_t* from) const {
    if (kind == GgufKind::f32) return static_cast<double>(load_little<float>(from));
    if (kind == GgufKind::f64) return load_little<double>(from);
    return static_cast<double>(load_whole(key, kind, from));
  }

  // ---- reading

  static GgufKind read_kind(io_detail::GgufReader& reader, const std::string& field) {
    const auto found = reader.little<std::uint32_t>(field);
    if (found > static_cast<std::uint32_t>(GgufKind::f64)) reader.fail(field, "0 to 12", std::to_string(found));
    return static_cast<GgufKind>(found);
  }
  static std::uint64_t read_count(io_detail::GgufReader& reader, GgufKind kind, const std::string& field) {
    return reader.count(field + ": count", kind == GgufKind::text ? 8 : kind == GgufKind::array ? 12 : size_of(kind));
  }

  /// Passes over `number` values of a kind, which are known to have room if they have a size.
  static void skip(io_detail::GgufReader& reader, GgufKind kind, std::uint64_t number, const std::string& field,
                   int depth) {
    constexpr int deepest = 4;
    if (const std::size_t size = size_of(kind)) {
      const auto values = reader.take(number * size, field);
      if (kind != GgufKind::boolean) return;
      for (const std::uint8_t value : values) {
        if (value > 1) reader.fail(field, "0 or 1", std::to_string(value));
      }
    } else if (kind == GgufKind::text) {
      for (std::uint64_t i = 0; i < number; ++i) reader.text(field);
    } else {
      if (depth == deepest) reader.fail(field, "arrays at most 4 deep", "a deeper one");
      for (std::uint64_t i = 0; i < number; ++i) {
        const GgufKind inner = read_kind(reader, field + ": element kind");
        skip(reader, inner, read_count(reader, inner, field), field, depth + 1);
      }
    }
  }

  void read(io_detail::GgufReader& reader, std::uint64_t number) {
    const auto [at, added] = settings_.try_emplace(reader.name("setting " + std::to_string(number) + ": key"));
    const std::string name = field(at->first);
    if (!added) reader.fail(name, "the key once", "a second one");
    reader.charge(sizeof(*at), at->first.size());
    Setting& found = at->second;
    found.kind = found.element = read_kind(reader, name + ": kind");
    const bool array = found.kind == GgufKind::array;
    if (array) {
      found.element = read_kind(reader, name + ": element kind");
      found.count = read_count(reader, found.element, name);
    }
    found.offset = reader.position();
    skip(reader, found.element, found.count, name, array ? 1 : 0);
  }

  std::map<std::string, Setting> settings_;
  std::shared_ptr<const Bytes> storage_;
  std::string source_;
};

}  // namespace tessera

// GGUF files for tests, right ones and wrong ones: every part is put down as it is told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/io/bytes.hpp>
#include <tessera/io/gguf.hpp>

namespace test {

class GgufBytes {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  // of the data; write the setting yourself

  static void put_text(tessera::Bytes& out, std::string_view text) {
    tessera::append_little(out, static_cast<std::uint64_t>(text.size()));
    tessera::append(out, text);
  }

  /// A setting whose value's bytes are given.
  void raw(std::string_view key, std::uint32_t kind, const tessera::Bytes& value) {
    put_text(settings_, key);
    tessera::append_little(settings_, kind);
    tessera::append(settings_, value);
    ++setting_count;
  }
  template <class T>
  void number(std::string_view key, tessera::GgufKind kind, T value) {
    tessera::Bytes bytes;
    tessera::append_little(bytes, value);
    raw(key, static_cast<std::uint32_t>(kind), bytes);
  }
  void text(std::string_view key, std::string_view value) {
    tessera::Bytes bytes;
    put_text(bytes, value);
    raw(key, 8, bytes);
  }
  template <class T>
  void numbers(std::string_view key, tessera::GgufKind kind, const std::vector<T>& values) {
    tessera::Bytes bytes = array(kind, values.size());
    for (const T value : values) tessera::append_little(bytes, value);
    raw(key, 9, bytes);
  }
  void texts(std::string_view key, const std::vector<std::string>& values) {
    tessera::Bytes bytes = array(tessera::GgufKind::text, values.size());
    for (const std::string& value : values) put_text(bytes, value);
    raw(key, 9, bytes);
  }
  /// The head of an array.
  static tessera::Bytes array(tessera::GgufKind element, std::uint64_t count) {
    tessera::Bytes bytes;
    tessera::append_little(bytes, static_cast<std::uint32_t>(element));
    tessera::append_little(bytes, count);
    return bytes;
  }

  /// A tensor's entry; extents the fastest first.
  void entry(std::string_view name, const std::vector<std::uint64_t>& extents, std::uint32_t type,
             std::uint64_t offset) {
    put_text(tensors_, name);
    tessera::append_little(tensors_, static_cast<std::uint32_t>(extents.size()));
    for (const std::uint64_t extent : extents) tessera::append_little(tensors_, extent);
    tessera::append_little(tensors_, type);
    tessera::append_little(tensors_, offset);
    ++tensor_count;
  }
  /// A tensor and its data.
  void tensor(std::string_view name, const std::vector<std::uint64_t>& extents, tessera::GgufType type,
              const tessera::Bytes& bytes) {
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    entry(name, extents, static_cast<std::uint32_t>(type), data.size());
    tessera::append(data, bytes);
  }

  tessera::Bytes bytes() const {
    tessera::Bytes out;
    tessera::append(out, "GGUF");
    tessera::append_little(out, version);
    tessera::append_little(out, tensor_count);
    tessera::append_little(out, setting_count);
    tessera::append(out, settings_);
    tessera::append(out, tensors_);
    if (tensor_count != 0) out.resize((out.size() + alignment - 1) / alignment * alignment);
    tessera::append(out, data);
    return out;
  }

  std::uint64_t tensor_count = 0, setting_count = 0;
  tessera::Bytes data;

 private:
  tessera::Bytes settings_, tensors_;
};

/// A small file with a setting of every kind and a tensor of every type.
inline GgufBytes gguf_sample() {
  using tessera::GgufKind, tessera::GgufType, tessera::Bytes;
  GgufBytes file;
  file.text("general.architecture", "gpt2");
  file.number("a.u8", GgufKind::u8, std::uint8_t{200});
  file.number("a.i8", GgufKind::i8, std::int8_t{-100});
  file.number("a.u16", GgufKind::u16, std::uint16_t{60000});
  file.number("a.i16", GgufKind::i16, std::int16_t{-30000});
  file.number("a.u32", GgufKind::u32, std::uint32_t{4000000000U});
  file.number("a.i32", GgufKind::i32, std::int32_t{-2000000000});
  file.number("a.u64", GgufKind::u64, ~std::uint64_t{0});
  file.number("a.i64", GgufKind::i64, std::int64_t{-1} << 40);
  file.number("a.f32", GgufKind::f32, 1.5F);
  file.number("a.f64", GgufKind::f64, 1e-5);
  file.number("a.true", GgufKind::boolean, std::uint8_t{1});
  file.texts("tokenizer.ggml.tokens", {"a", "", "\xE9\x9A\xBB", std::string("\xFF\0x", 3)});
  file.numbers<std::int16_t>("b.i16", GgufKind::i16, {1, -2, 3});
  file.numbers<float>("b.f32", GgufKind::f32, {0.5F, -1.0F});
  file.numbers<std::uint8_t>("b.bool", GgufKind::boolean, {0, 1});
  file.numbers<std::uint64_t>("b.none", GgufKind::u64, {});
  Bytes nested = GgufBytes::array(GgufKind::array, 2);
  tessera::append(nested, GgufBytes::array(GgufKind::u8, 1));
  nested.push_back(7);
  tessera::append(nested, GgufBytes::array(GgufKind::text, 1));
  GgufBytes::put_text(nested, "deep");
  file.raw("b.nested", 9, nested);

  Bytes f32, f16{0x00, 0x3C, 0x00, 0xC0}, bf16{0xC0, 0x3F}, q8{0x00, 0x38}, q4{0x00, 0xB4};
  for (const float v : {1.0F, -2.0F, 3.5F, 0.0F, 1e-7F, 65504.0F}) tessera::append_little(f32, v);
  for (int i = 0; i < 32; ++i) q8.push_back(static_cast<std::uint8_t>(8 * i - 128));        // d = 0.5
  for (int i = 0; i < 16; ++i) q4.push_back(static_cast<std::uint8_t>(i | (15 - i) << 4));  // d = -0.25
  file.tensor("w.f32", {3, 2}, GgufType::f32, f32);
  file.tensor("w.f16", {2, 1, 1}, GgufType::f16, f16);
  file.tensor("w.bf16", {1}, GgufType::bf16, bf16);
  file.tensor("w.q8", {32, 1}, GgufType::q8_0, q8);
  file.tensor("w.q4", {32}, GgufType::q4_0, q4);
  return file;
}

}  // namespace test

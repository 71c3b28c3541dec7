#include <tessera/io/gguf.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fuzz/gguf.hpp"
#include "tests/io/gguf_bytes.hpp"
#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using test::GgufBytes;

namespace {

std::string message(const Bytes& bytes) {
  return test::io_error_of([&] { Gguf::parse(bytes, "bad.gguf"); });
}
std::string message(const GgufBytes& file) { return message(file.bytes()); }

/// A file with one tensor entry and `data` bytes.
std::string message_of_entry(const std::vector<std::uint64_t>& extents, std::uint32_t type, std::uint64_t offset,
                             std::size_t data) {
  GgufBytes file;
  file.entry("w", extents, type, offset);
  file.data.resize(data);
  return message(file);
}

constexpr std::uint64_t most = ~std::uint64_t{0};

}  // namespace

TEST_CASE("gguf: every kind of setting comes back", "[io][gguf]") {
  const Gguf file = Gguf::parse(test::gguf_sample().bytes(), "sample");
  const GgufSettings& s = file.settings;
  CHECK(file.version() == 3);
  CHECK(s.size() == 18);
  CHECK(s.text("general.architecture") == "gpt2");
  CHECK(s.integer("a.u8") == 200);
  CHECK(s.integer("a.i8") == -100);
  CHECK(s.integer("a.u16") == 60000);
  CHECK(s.integer("a.i16") == -30000);
  CHECK(s.integer("a.u32") == 4000000000);
  CHECK(s.integer("a.i32") == -2000000000);
  CHECK(s.integer("a.i64") == std::int64_t{-1} * (std::int64_t{1} << 40));
  CHECK(s.number("a.f32") == 1.5);
  CHECK(s.number("a.f64") == 1e-5);
  CHECK(s.number("a.u8") == 200);
  CHECK(s.boolean("a.true"));
  CHECK(s.texts("tokenizer.ggml.tokens") == std::vector<std::string_view>{"a", "", "\xE9\x9A\xBB", {"\xFF\0x", 3}});
  CHECK(s.integers("b.i16") == std::vector<std::int64_t>{1, -2, 3});
  CHECK(s.numbers("b.f32") == std::vector<double>{0.5, -1});
  CHECK(s.numbers("b.i16") == std::vector<double>{1, -2, 3});
  CHECK(s.integers("b.none").empty());
  CHECK(s.kind("b.nested") == GgufKind::array);
  CHECK(s.element("b.nested") == GgufKind::array);
  CHECK(s.count("b.nested") == 2);

  const auto asked = [&](auto ask) { return test::io_error_of([&] { ask(); }); };
  CHECK(asked([&] { s.integer("a.u64"); }) ==
        "sample: setting \"a.u64\": expected a number below 2^63, found 18446744073709551615");
  CHECK(asked([&] { s.text("no"); }) == "sample: setting \"no\": expected it to be there, found no such setting");
  CHECK(asked([&] { s.integer("a.f32"); }) == "sample: setting \"a.f32\": expected a whole number, found f32");
  CHECK(asked([&] { s.number("a.true"); }) == "sample: setting \"a.true\": expected a number, found boolean");
  CHECK(asked([&] { s.boolean("a.u8"); }) == "sample: setting \"a.u8\": expected true or false, found u8");
  CHECK(asked([&] { s.text("b.i16"); }) == "sample: setting \"b.i16\": expected a text, found array of i16");
  CHECK(asked([&] { s.integers("b.f32"); }) ==
        "sample: setting \"b.f32\": expected an array of whole numbers, found array of f32");
  CHECK(asked([&] { s.numbers("b.bool"); }) ==
        "sample: setting \"b.bool\": expected an array of numbers, found array of boolean");
  CHECK(asked([&] { s.texts("general.architecture"); }) ==
        "sample: setting \"general.architecture\": expected an array of texts, found text");
}

TEST_CASE("gguf: every type of tensor comes back, from bytes and from a file", "[io][gguf]") {
  const test::Scratch scratch;
  GgufBytes sample = test::gguf_sample();
  sample.version = 2;
  write_file(scratch / "a.gguf", sample.bytes());
  Gguf file = Gguf::read(scratch / "a.gguf");
  const Gguf copy = std::exchange(file, Gguf());  // what is handed out lives as long as a copy
  CHECK(copy.version() == 2);
  CHECK(copy.names() == std::vector<std::string>{"w.bf16", "w.f16", "w.f32", "w.q4", "w.q8"});
  CHECK(same_bytes(copy.get("w.f32"), Tensor<float>::from(Shape{2, 3}, {1, -2, 3.5F, 0, 1e-7F, 65504})));
  CHECK(same_bytes(copy.get("w.f16"), Tensor<float>::from(Shape{1, 1, 2}, {1, -2})));
  CHECK(same_bytes(copy.get("w.bf16"), Tensor<float>::from(Shape{1}, {1.5F})));
  CHECK(copy.shape("w.q8") == Shape{1, 32});
  CHECK(copy.type("w.q8") == GgufType::q8_0);
  CHECK(copy.bytes("w.q8").size() == 34);
  const Tensor<float> q8 = copy.get("w.q8"), q4 = copy.get("w.q4");
  for (int i = 0; i < 32; ++i) {
    CHECK(q8[i] == 0.5F * static_cast<float>(8 * i - 128));
    CHECK(q4[i] == -0.25F * static_cast<float>((i < 16 ? i : 31 - i) - 8));
  }
  CHECK(test::io_error_of([&] { copy.get("no"); }) ==
        scratch / "a.gguf" + ": tensor \"no\": expected it to be there, found no such tensor");
}

TEST_CASE("gguf: a file without tensors and one of its own alignment", "[io][gguf]") {
  GgufBytes bare;
  bare.text("general.name", "");
  CHECK(Gguf::parse(bare.bytes(), "x").size() == 0);
  CHECK(Gguf::parse(GgufBytes().bytes(), "x").settings.size() == 0);
  for (const std::uint32_t unit : {1U, 8U, 64U, 4096U}) {
    GgufBytes file;
    file.alignment = unit;
    file.number("general.alignment", GgufKind::u32, unit);
    file.tensor("a", {1}, GgufType::f16, {0x00, 0x3C});
    file.tensor("b", {1}, GgufType::f16, {0x00, 0x40});
    CHECK(Gguf::parse(file.bytes(), "x").get("b").item() == 2.0F);
  }
  for (const std::uint32_t unit : {0U, 24U, ~0U}) {
    GgufBytes file;
    file.number("general.alignment", GgufKind::u32, unit);
    file.tensor("a", {1}, GgufType::f16, {0x00, 0x3C});
    CHECK(message(file) ==
          "bad.gguf: setting \"general.alignment\": expected a power of two up to 2^30, found " + std::to_string(unit));
  }
}

TEST_CASE("gguf: a bad head is named", "[io][gguf]") {
  CHECK(message(Bytes{}) == "bad.gguf: magic: expected 4 bytes at offset 0, found 0 before the end of the file");
  CHECK(message(Bytes{'G', 'G', 'M', 'L'}) == "bad.gguf: magic: expected \"GGUF\", found \"GGML\"");
  GgufBytes file;
  file.version = 1;
  CHECK(message(file) == "bad.gguf: version: expected 2 or 3, found 1");
  file.version = 0x03000000;
  CHECK(message(file) == "bad.gguf: version: expected 2 or 3, little endian, found a big-endian file");
  file.version = 3, file.tensor_count = most;
  CHECK(message(file) ==
        "bad.gguf: tensor count: expected at most 0, what the file has room for, found 18446744073709551615");
  file.tensor_count = 0, file.setting_count = most;
  CHECK(message(file) ==
        "bad.gguf: setting count: expected at most 0, what the file has room for, found 18446744073709551615");
}

TEST_CASE("gguf: a bad setting is named", "[io][gguf]") {
  const auto with = [](auto change) {
    GgufBytes file;
    change(file);
    return message(file);
  };
  const std::string w = "bad.gguf: setting \"w\"";
  CHECK(with([](GgufBytes& f) { f.raw("w", 13, {0}); }) == w + ": kind: expected 0 to 12, found 13");
  CHECK(with([](GgufBytes& f) { f.raw("w", 7, {2}); }) == w + ": expected 0 or 1, found 2");
  CHECK(with([](GgufBytes& f) {
          f.numbers<std::uint8_t>("w", GgufKind::boolean, {1, 0, 3});
        }) == w + ": expected 0 or 1, found 3");
  CHECK(with([](GgufBytes& f) { f.number("w", GgufKind::text, most); }) ==
        w + ": length: expected at most 0, what the file has room for, found 18446744073709551615");
  CHECK(with([](GgufBytes& f) { f.raw("w", 9, GgufBytes::array(GgufKind::u64, most)); }) ==
        w + ": count: expected at most 0, what the file has room for, found 18446744073709551615");
  CHECK(with([](GgufBytes& f) { f.raw("w", 9, GgufBytes::array(static_cast<GgufKind>(99), 1)); }) ==
        w + ": element kind: expected 0 to 12, found 99");
  CHECK(with([](GgufBytes& f) { f.raw("w", 9, GgufBytes::array(GgufKind::text, std::uint64_t{1} << 61)); }) ==
        w + ": count: expected at most 0, what the file has room for, found 2305843009213693952");
  CHECK(with([](GgufBytes& f) {
          Bytes nest;
          for (int i = 0; i < 5; ++i) append(nest, GgufBytes::array(GgufKind::array, 1));
          append(nest, GgufBytes::array(GgufKind::u8, 0));
          f.raw("w", 9, nest);
        }) == w + ": expected arrays at most 4 deep, found a deeper one");
  CHECK(with([](GgufBytes& f) { f.text("w", "a"), f.text("w", "b"); }) ==
        w + ": expected the key once, found a second one");
  CHECK(with([](GgufBytes& f) { f.text("\xFF\x1B", ""); }) ==
        "bad.gguf: setting 0: key: expected a name in UTF-8, found \"\\xff\\x1b\"");
  CHECK(with([](GgufBytes& f) { f.text("", "a"); }) ==
        "bad.gguf: setting 0: key: expected a name in UTF-8, found \"\"");
}

TEST_CASE("gguf: a bad tensor is named", "[io][gguf]") {
  const std::string w = "bad.gguf: tensor \"w\": ";
  CHECK(message_of_entry({1, 1, 1, 1, 1}, 0, 0, 4) == w + "rank: expected at most 4, found 5");
  CHECK(message_of_entry({most, 2}, 0, 0, 4) ==
        w + "shape: expected a product below 2^56, found an overflow at extent 18446744073709551615");
  CHECK(message_of_entry({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0, 4) ==
        w + "shape: expected a product below 2^56, found an overflow at extent 4294967296");
  CHECK(message_of_entry({0, most}, 0, 0, 4) ==
        w + "shape: expected a product below 2^56, found an overflow at extent 18446744073709551615");
  CHECK(message_of_entry({256}, 12, 0, 4) == w + "type: expected one of F32 F16 BF16 Q8_0 Q4_0, found 12 (Q4_K)");
  CHECK(message_of_entry({256}, 4, 0, 4) == w + "type: expected one of F32 F16 BF16 Q8_0 Q4_0, found 4");
  CHECK(message_of_entry({256}, 4000000000U, 0, 4) ==
        w + "type: expected one of F32 F16 BF16 Q8_0 Q4_0, found 4000000000");
  CHECK(message_of_entry({33, 2}, 8, 0, 4) == w + "shape: expected rows of whole blocks of 32 for Q8_0, found [2, 33]");
  CHECK(message_of_entry({}, 2, 0, 4) == w + "shape: expected rows of whole blocks of 32 for Q4_0, found []");
  CHECK(message_of_entry({1}, 0, 33, 64) == w + "offset: expected a multiple of 32, found 33");
  CHECK(message_of_entry({2}, 0, 0, 4) ==
        w + "data: expected 8 bytes for F32 [2] at offset 0 of the data, found 4 before the end of the file");
  CHECK(message_of_entry({2}, 0, 64, 4) ==
        w + "data: expected 8 bytes for F32 [2] at offset 64 of the data, found 0 before the end of the file");
  CHECK(message_of_entry({2}, 0, most - 31, 4) ==
        w + "offset: expected one inside the file, found 18446744073709551584");
  CHECK(message_of_entry({std::uint64_t{1} << 55}, 0, 0, 4) ==
        w + "data: expected 144115188075855872 bytes for F32 [36028797018963968] at offset 0 of the data, found 4 "
            "before the end of the file");
}

TEST_CASE("gguf: tensors may not share bytes or a name, but may leave holes", "[io][gguf]") {
  GgufBytes file;
  file.entry("a", {16}, 0, 0), file.entry("b", {8}, 0, 32);
  file.data.resize(64);
  CHECK(message(file) == "bad.gguf: tensor \"b\": offset: expected at least 64, the end of \"a\", found 32");
  GgufBytes twice;
  twice.entry("a", {1}, 0, 0), twice.entry("a", {1}, 0, 32);
  twice.data.resize(64);
  CHECK(message(twice) == "bad.gguf: tensor \"a\": expected the name once, found a second tensor of that name");
  GgufBytes apart;
  apart.entry("b", {1}, 0, 64), apart.entry("a", {1}, 0, 0), apart.entry("none", {0, 3}, 0, 0);
  apart.data.resize(100);
  CHECK(Gguf::parse(apart.bytes(), "x").get("none").shape() == Shape{3, 0});
}

TEST_CASE("gguf: cut off or changed anywhere, it is an io_error or it is read", "[io][gguf]") {
  const Bytes valid = test::gguf_sample().bytes();
  test::check_truncations(valid, [](const Bytes& bytes) { Gguf::parse(bytes, "x"); });
  CHECK(test::check_flips(valid, [](const Bytes& bytes) { test::use_gguf(bytes); }) > 0);
}

TEST_CASE("gguf: countless tiny entries are refused, not swallowed", "[io][gguf]") {
  GgufBytes settings, tensors;
  for (int i = 0; i < 200000; ++i) settings.number(std::to_string(i), GgufKind::u8, std::uint8_t{0});
  CHECK_THAT(message(settings), Catch::Matchers::Contains("entries in proportion to the file"));
  for (int i = 0; i < 100000; ++i) tensors.entry(std::to_string(i), {}, 0, 0);
  CHECK_THAT(message(tensors), Catch::Matchers::Contains("entries in proportion to the file"));
}

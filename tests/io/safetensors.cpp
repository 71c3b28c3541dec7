#include <tessera/io/safetensors.hpp>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

Bytes file_of(const std::string& header, std::size_t data) {
  Bytes bytes;
  append_little(bytes, static_cast<std::uint64_t>(header.size()));
  append(bytes, header);
  bytes.resize(bytes.size() + data, 1);
  return bytes;
}

std::string message(const std::string& header, std::size_t data) {
  return test::io_error_of([&] { Safetensors::parse(file_of(header, data), "bad.safetensors"); });
}

Safetensors sample() {
  Safetensors file;
  file.metadata["format"] = "pt";
  file.metadata["note \"q\"\n"] = "一隻狗 \x01";
  file.put("a", Tensor<float>::from(Shape{2, 3}, {1, -2, 0.5F, 0, 65504, 1e-7F}));
  file.put("b.half", Tensor<float>::from(Shape{3}, {1, 1e9F, -0.1F}), DType::f16);
  file.put("b.brain", Tensor<float>::from(Shape{3}, {1, 1e9F, -0.1F}), DType::bf16);
  file.put("c", Tensor<double>::from(Shape{}, {0.1}));
  file.put("ids", Tensor<std::int64_t>::from(Shape{2}, {-5, std::int64_t{1} << 40}));
  file.put("ids32", Tensor<std::int32_t>::from(Shape{2, 1}, {7, -8}));
  file.put("mask", Tensor<std::uint8_t>::from(Shape{3}, {0, 1, 1}), DType::boolean);
  file.put("pixels", Tensor<std::uint8_t>::from(Shape{1, 1, 3}, {0, 128, 255}));
  file.put("nothing", Tensor<float>(Shape{0, 4}));
  return file;
}

}  // namespace

TEST_CASE("safetensors: every type comes back from bytes and from a file", "[io][safetensors]") {
  const test::Scratch scratch;
  const Safetensors file = sample();
  file.write(scratch / "a.safetensors");
  CHECK(read_file(scratch / "a.safetensors") == file.encode());
  for (const Safetensors& back :
       {Safetensors::parse(file.encode(), "memory"), Safetensors::read(scratch / "a.safetensors")}) {
    CHECK(back.metadata == file.metadata);
    CHECK(back.names() == file.names());
    CHECK(back.size() == 9);
    for (const std::string& name : back.names()) {
      CHECK(back.shape(name) == file.shape(name));
      CHECK(back.dtype(name) == file.dtype(name));
    }
    CHECK(same_bytes(back.get<float>("a"), file.get<float>("a")));
    CHECK(back.get<double>("a")[2] == 0.5);
    CHECK(back.get<double>("c").item() == 0.1);
    CHECK(back.get<float>("c").item() == 0.1F);
    CHECK(back.get<float>("b.half")[1] == std::numeric_limits<float>::infinity());
    CHECK(back.get<float>("b.half")[2] == -0x1.998p-4F);
    CHECK(back.get<float>("b.brain")[1] == 998244352.0F);
    CHECK(back.get<std::int64_t>("ids")[1] == std::int64_t{1} << 40);
    CHECK(back.get<std::int64_t>("ids32")[1] == -8);
    CHECK(back.get<std::int32_t>("pixels")[2] == 255);
    CHECK(back.get<std::uint8_t>("mask")[1] == 1);
    CHECK(back.get<bool>("mask")[0] == false);
    CHECK(back.get<float>("nothing").shape() == Shape{0, 4});
    CHECK(back.encode() == file.encode());
  }
}

TEST_CASE("safetensors: the bytes depend on the content alone and every tensor is aligned", "[io][safetensors]") {
  Safetensors one, other;
  const Tensor<std::uint8_t> odd(Shape{3}, 1);
  const Tensor<float> weights(Shape{2}, 1.0F);
  one.put("a.odd", odd), one.put("weights", weights);
  other.put("weights", weights), other.put("a.odd", odd);
  CHECK(one.encode() == other.encode());
  const Bytes bytes = one.encode();
  const auto header = load_little<std::uint64_t>(bytes.data());
  CHECK(header % 8 == 0);
  CHECK(std::string(as_text({bytes.data() + 8, static_cast<std::size_t>(header)})) ==
        R"({"weights":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
        R"("a.odd":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})"
        "   ");
  CHECK(Safetensors::parse(Safetensors().encode(), "empty").size() == 0);
  one.erase("a.odd");
  CHECK(one.size() == 1);
  CHECK(load_little<float>(one.bytes("weights").data()) == 1.0F);
  CHECK(one.bytes("weights").size() == 8);
}

TEST_CASE("safetensors: a published file layout is read", "[io][safetensors]") {
  // As the reference implementation writes it: data not in name order, spaces after the header.
  const std::string header = R"({"z":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"format":"pt"},)"
                             R"("a":{"shape":[2],"data_offsets":[4,6],"dtype":"U8"}}   )";
  const Safetensors file = Safetensors::parse(file_of(header, 6), "x");
  CHECK(file.metadata.at("format") == "pt");
  CHECK(file.get<std::uint8_t>("a")[1] == 1);
}

TEST_CASE("safetensors: what is wrong is named with file, field, expected and found", "[io][safetensors]") {
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  const std::string file = "bad.safetensors: ", w = file + "tensor \"w\": ";

  CHECK(message(entry("F33", "[1]", "[0,4]"), 4) ==
        w + "dtype: expected one of F64 F32 F16 BF16 I64 I32 U8 BOOL, found \"F33\"");
  CHECK(message(entry("F32", "[-1]", "[0,4]"), 4) == w + "shape: expected no negative number, found -1");
  CHECK(message(entry("F32", "[2]", "[0,4]"), 4) == w + "data_offsets: expected 8 bytes for F32 [2], found 4 bytes");
  CHECK(message(entry("F32", "[4294967296,4294967296]", "[0,4]"), 4) ==
        w + "shape: expected a product below 2^56, found an overflow at extent 4294967296");
  CHECK(message(entry("F32", "[0,4294967296,4294967296]", "[0,0]"), 0) ==
        w + "shape: expected a product below 2^56, found an overflow at extent 4294967296");
  CHECK(message(entry("F32", "[0,3]", "[0,4]"), 4) ==
        w + "data_offsets: expected 0 bytes for F32 [0, 3], found 4 bytes");
  CHECK(message(entry("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4) ==
        w + "shape: expected at most 8 extents, found more");
  CHECK(message(entry("F32", "[1]", "[0,8]"), 4) ==
        w + "data_offsets: expected 0 <= begin <= end <= 4, the data in the file, found [0, 8]");
  CHECK(message(entry("F32", "[1]", "[4,0]"), 4) ==
        w + "data_offsets: expected 0 <= begin <= end <= 4, the data in the file, found [4, 0]");
  CHECK(message(entry("F32", "[1]", "[0]"), 4) == w + "data_offsets: expected two numbers, found 1");
  CHECK(message(entry("F32", "[1]", "[0,4,4]"), 4) == w + "data_offsets: expected two numbers, found more");
  CHECK(message(entry("F32", "[1]", "[0,4]"), 6) ==
        file + "data: expected 4 bytes for the tensors of the header, found 6");
  CHECK(message(entry("F32", "[1.5]", "[0,4]"), 4) ==
        file + "header: byte 29: expected a whole number of at most 64 bits, found \"1.5],\"data_offse\"");
  CHECK(message(two("[0,4]", "[2,6]"), 8) ==
        file + "tensor \"b\": data_offsets: expected it to begin at 4, found 2 (tensors overlap)");
  CHECK(message(two("[0,4]", "[5,9]"), 9) ==
        file + "tensor \"b\": data_offsets: expected it to begin at 4, found 5 (a hole)");
  CHECK(message(two("[0,4]", "[0,4]"), 4) ==
        file + "tensor \"b\": data_offsets: expected it to begin at 4, found 0 (tensors overlap)");

  CHECK(message(R"({"w":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"w":{}})", 1) ==
        w.substr(0, w.size() - 2) + ": expected the name once, found a second tensor of that name");
  CHECK(message(R"({"w":{"dtype":"U8","dtype":"U8"}})", 1) == w + "dtype: expected it once, found a second one");
  CHECK(message(R"({"w":{"dtype":"U8","shape":[]}})", 1) == w + "data_offsets: expected it to be there, found none");
  CHECK(message(R"({"w":{"colour":1}})", 1) ==
        w.substr(0, w.size() - 2) + ": expected dtype, shape and data_offsets, found \"colour\"");
  CHECK(message(R"({"__metadata__":{"a":"","a":""}})", 0) ==
        file + "__metadata__: expected each key once, found a second \"a\"");
  CHECK(message(R"({"__metadata__":{},"__metadata__":{}})", 0) ==
        file + "__metadata__: expected it once, found a second one");
  CHECK(message(R"({"__metadata__":{"a":1}})", 0) == file + "header: byte 21: expected a string, found \"1}}\"");
  CHECK(message("[]", 0) == file + "header: byte 0: expected an object, found \"[]\"");
  CHECK(message("{} x", 0) == file + "header: byte 3: expected the end, found \"x\"");

  const auto broken = [&](const Bytes& bytes) {
    return test::io_error_of([&] { Safetensors::parse(bytes, "bad.safetensors"); });
  };
  CHECK(broken({}) == file + "header length: expected 8 bytes at offset 0, found 0 before the end of the file");
  CHECK(broken({255, 255, 255, 255, 255, 255, 255, 255, '{', '}'}) ==
        file + "header length: expected at most 2, what the file has left, found 18446744073709551615");
  CHECK_THAT(test::io_error_of([] { Safetensors::read("/nowhere/a.safetensors"); }),
             Catch::Matchers::Contains("/nowhere/a.safetensors: cannot open: No such file or directory"));
  CHECK_THAT(test::io_error_of([] { Safetensors::read("/tmp"); }), Catch::Matchers::Contains("Is a directory"));
}

TEST_CASE("safetensors: control sequences in names never reach a message", "[io][safetensors]") {
  const std::string found = message("{\"\\u001b[31mred\\u009b\":{\"dtype\":\"\\u0007\"}}", 0);
  CHECK(found ==
        "bad.safetensors: tensor \"\\x1b[31mred\\xc2\\x9b\": dtype: expected one of F64 F32 F16 BF16 I64 I32 U8 BOOL, "
        "found \"\\x07\"");
}

TEST_CASE("safetensors: asking for the wrong thing says so", "[io][safetensors]") {
  Safetensors file = sample();
  CHECK(test::io_error_of([&] { file.shape("no"); }) ==
        "safetensors: tensor \"no\": expected it to be there, found no such tensor");
  CHECK(test::io_error_of([&] { file.get<float>("ids"); }) ==
        "safetensors: tensor \"ids\": dtype: expected one of F64 F32 F16 BF16, found I64");
  CHECK(test::io_error_of([&] { file.get<std::int32_t>("a"); }) ==
        "safetensors: tensor \"a\": dtype: expected one of I64 I32 U8 BOOL, found F32");
  CHECK(test::io_error_of([&] { file.get<std::int32_t>("ids"); }) ==
        "safetensors: tensor \"ids\": element 1: expected a value that fits I32, found 1099511627776");
  const Safetensors bad_bool =
      Safetensors::parse(file_of(R"({"m":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", 2), "x");
  CHECK_NOTHROW(bad_bool.get<std::uint8_t>("m"));
  Bytes seven = file_of(R"({"m":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", 2);
  seven.back() = 7;
  CHECK(test::io_error_of([&] { Safetensors::parse(seven, "x").get<std::uint8_t>("m"); }) ==
        "x: tensor \"m\": element 1: expected 0 or 1, found 7");

  CHECK_THROWS_AS(file.put("__metadata__", Tensor<float>(Shape{1})), argument_error);
  CHECK_THROWS_AS(file.put("\xff", Tensor<float>(Shape{1})), argument_error);
  CHECK_THROWS_AS(file.put("x", Tensor<float>()), argument_error);
  CHECK_THROWS_AS(file.put("x", Tensor<float>(Shape{1}), DType::i32), argument_error);
  CHECK_THROWS_AS(file.put("x", Tensor<std::int32_t>(Shape{1}, 2), DType::boolean), argument_error);
  CHECK_THROWS_AS(file.put("x", Tensor<std::int32_t>(Shape{1}, -1), DType::u8), argument_error);
  CHECK(!file.contains("x"));
}

TEST_CASE("safetensors: NaN and infinity are found by name in every float type", "[io][safetensors]") {
  Safetensors file = sample();
  CHECK(file.non_finite() == std::vector<std::string>{"b.half"});  // 1e9 overflowed
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    Safetensors one;
    one.put("fine", Tensor<float>(Shape{5}, 1.0F), dtype);
    one.put("w", Tensor<float>::from(Shape{3}, {1, nan, 2}), dtype);
    CHECK(one.non_finite() == std::vector<std::string>{"w"});
  }
}

TEST_CASE("safetensors: cut off or changed anywhere, it is an io_error or it is read", "[io][safetensors]") {
  const Bytes valid = sample().encode();
  const auto read = [](const Bytes& bytes) {
    const Safetensors file = Safetensors::parse(bytes, "x");
    file.non_finite();
    for (const std::string& name : file.names()) {
      if (is_float(file.dtype(name)))
        file.get<float>(name);
      else
        file.get<std::int64_t>(name);
    }
    Safetensors::parse(file.encode(), "again");  // whatever was read can be written
  };
  test::check_truncations(valid, read);
  CHECK(test::check_flips(valid, read) > 0);
}

TEST_CASE("safetensors: a header of countless tiny entries is refused, not swallowed", "[io][safetensors]") {
  std::string metadata = R"({"__metadata__":{)", tensors = "{";
  for (int i = 0; i < 200000; ++i) metadata += '"' + std::to_string(i) + "\":\"\",";
  for (int i = 0; i < 200000; ++i) {
    tensors += '"' + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  }
  metadata.back() = '}', tensors.back() = '}';
  metadata += '}';
  CHECK_THAT(message(metadata, 0), Catch::Matchers::Contains("entries in proportion to the file"));
  // The tensors are below four times the file: refused or read, both keep the bound.
  const Bytes bytes = file_of(tensors, 0);
  test::accepts([](const Bytes& b) { Safetensors::parse(b, "x"); }, bytes);
}

#include <tessera/io/npy.hpp>

// g++ 12 sees uninitialised members inside std::regex, which xtensor uses, once sanitizers are on.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/io/xnpy.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xnpy.hpp>
#endif

#include <string>
#include <vector>

#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

template <class T>
Tensor<T> sample(const Shape& shape) {
  Tensor<T> tensor(shape);
  for (Index i = 0; i < tensor.size(); ++i) tensor.data()[i] = static_cast<T>(i * 7 % 251);
  return tensor;
}

template <class T>
xt::xarray<T> array_of(const Tensor<T>& tensor) {
  const std::vector<std::size_t> extents(tensor.shape().begin(), tensor.shape().end());
  return xt::adapt(tensor.data(), static_cast<std::size_t>(tensor.size()), xt::no_ownership(), extents);
}

template <class T>
void agrees_with_xtensor(const Shape& shape) {
  INFO(shape.to_string() << ' ' << name_of(dtype_of<T>));
  const test::Scratch scratch;
  const Tensor<T> tensor = sample<T>(shape);
  write_npy(scratch / "a.npy", tensor);
  const auto theirs = xt::load_npy<T>(scratch / "a.npy");
  CHECK(theirs == array_of(tensor));
  xt::dump_npy(scratch / "b.npy", array_of(tensor));
  CHECK(same_bytes(read_npy<T>(scratch / "b.npy"), tensor));
}

Bytes file_of(const std::string& header, const Bytes& data, int version = 1) {
  Bytes bytes;
  append(bytes, "\x93NUMPY");
  bytes.push_back(static_cast<std::uint8_t>(version));
  bytes.push_back(0);
  if (version == 1)
    append_little(bytes, static_cast<std::uint16_t>(header.size()));
  else
    append_little(bytes, static_cast<std::uint32_t>(header.size()));
  append(bytes, header);
  append(bytes, data);
  return bytes;
}

std::string message(const std::string& header, std::size_t data) {
  return test::io_error_of([&] { parse_npy<float>(file_of(header, Bytes(data)), "bad.npy"); });
}

}  // namespace

TEST_CASE("npy: xtensor reads what is written and the other way round", "[io][npy]") {
  for (const Shape& shape : {Shape{1}, Shape{5}, Shape{2, 3}, Shape{2, 3, 4, 5}, Shape{1, 1}}) {
    agrees_with_xtensor<double>(shape);
    agrees_with_xtensor<float>(shape);
    agrees_with_xtensor<std::int64_t>(shape);
    agrees_with_xtensor<std::int32_t>(shape);
    agrees_with_xtensor<std::uint8_t>(shape);
  }
}

TEST_CASE("npy: every type, scalars and empty arrays come back", "[io][npy]") {
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{3, 0}, Shape{7}, Shape{2, 3}}) {
    CHECK(same_bytes(parse_npy<float>(encode_npy(sample<float>(shape))), sample<float>(shape)));
    CHECK(same_bytes(parse_npy<float>(encode_npy(sample<float>(shape), DType::f16)), sample<float>(shape)));
    CHECK(same_bytes(parse_npy<double>(encode_npy(sample<float>(shape))), sample<double>(shape)));
    CHECK(same_bytes(parse_npy<std::int32_t>(encode_npy(sample<std::uint8_t>(shape))), sample<std::int32_t>(shape)));
  }
  const auto mask = Tensor<std::uint8_t>::from(Shape{3}, {0, 1, 1});
  CHECK(same_bytes(parse_npy<std::uint8_t>(encode_npy(mask, DType::boolean)), mask));
  const Bytes bytes = encode_npy(sample<float>(Shape{2, 3}));
  CHECK(bytes.size() == 128 + 24);
  CHECK(std::string(as_text(bytes)).substr(10, 57) == "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3),");
  CHECK_THROWS_AS(encode_npy(sample<float>(Shape{1}), DType::bf16), argument_error);
  CHECK_THROWS_AS(encode_npy(sample<float>(Shape{1}), DType::i32), argument_error);
  CHECK_THROWS_AS(encode_npy(sample<std::int32_t>(Shape{2}), DType::boolean), argument_error);
}

TEST_CASE("npy: versions, byte orders and memory orders", "[io][npy]") {
  const Bytes six = {0, 1, 2, 3, 4, 5};
  for (const int version : {1, 2, 3}) {
    const auto rows =
        parse_npy<std::uint8_t>(file_of("{'descr':'|u1','fortran_order':False,'shape':(2,3)}", six, version));
    CHECK(same_bytes(rows, Tensor<std::uint8_t>::from(Shape{2, 3}, {0, 1, 2, 3, 4, 5})));
    const auto columns = parse_npy<std::uint8_t>(
        file_of("{\"shape\": (2, 3,), 'fortran_order': True, 'descr': '|u1', }\n", six, version));
    CHECK(same_bytes(columns, Tensor<std::uint8_t>::from(Shape{2, 3}, {0, 2, 4, 1, 3, 5})));
  }
  const auto cube = parse_npy<std::uint8_t>(file_of("{'descr':'|u1','fortran_order':True,'shape':(1,3,2)}", six));
  CHECK(same_bytes(cube, Tensor<std::uint8_t>::from(Shape{1, 3, 2}, {0, 3, 1, 4, 2, 5})));
  const auto big = parse_npy<std::int32_t>(
      file_of("{'descr':'>i4','fortran_order':False,'shape':(2,)}", {0, 0, 1, 2, 255, 255, 255, 254}));
  CHECK(same_bytes(big, Tensor<std::int32_t>::from(Shape{2}, {258, -2})));
}

TEST_CASE("npy: what is wrong is named", "[io][npy]") {
  const auto header = [](const std::string& descr, const std::string& shape) {
    return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }";
  };
  CHECK(message(header("'<f4'", "(2, 3)"), 23) == "bad.npy: data: expected 24 bytes for shape [2, 3], found 23");
  CHECK(message(header("'<f4'", "(2, 3)"), 25) == "bad.npy: data: expected 24 bytes for shape [2, 3], found 25");
  CHECK(message(header("'<i4'", "(2,)"), 8) == "bad.npy: type: expected f8, f4 or f2, found i4");
  CHECK(message(header("'<c8'", "(2,)"), 16) ==
        "bad.npy: header: character 10: expected one of f8 f4 f2 i8 i4 u1 b1 after <, > or |, found \"'<c8', "
        "'fortran_order': \"");
  CHECK_THAT(message(header("[('a', '<f4')]", "(2,)"), 8), Catch::Matchers::Contains("not a record"));
  CHECK_THAT(message(header("'<f4'", "(99999999999999999999,)"), 8), Catch::Matchers::Contains("an extent below 2^56"));
  CHECK_THAT(message(header("'<f4'", "(4294967296, 4294967296)"), 8),
             Catch::Matchers::Contains("product is below 2^56"));
  CHECK_THAT(message(header("'<f4'", "(0, 4294967296, 4294967296)"), 0), Catch::Matchers::Contains("product is below"));
  CHECK_THAT(message(header("'<f4'", "(0, 3)"), 8), Catch::Matchers::Contains("expected 0 bytes"));
  CHECK_THAT(message(header("'<f4'", "(1,1,1,1,1,1,1,1,1)"), 4), Catch::Matchers::Contains("at most 8 extents"));
  CHECK_THAT(message(header("'<f4'", "(-1,)"), 4), Catch::Matchers::Contains("an extent"));
  CHECK_THAT(message("{'descr': '<f4', 'descr': '<f4'}", 4), Catch::Matchers::Contains("\"descr\" once"));
  CHECK_THAT(message("{'descr': '<f4'}", 4), Catch::Matchers::Contains("descr, fortran_order and shape"));
  CHECK(test::io_error_of([] { parse_npy<float>(Bytes{}, "bad.npy"); }) ==
        "bad.npy: magic: expected 6 bytes at offset 0, found 0 before the end of the file");
  CHECK(test::io_error_of([] { parse_npy<float>(file_of("{}", {}, 4), "bad.npy"); }) ==
        "bad.npy: version: expected 1, 2 or 3, found 4");
  CHECK(test::io_error_of([] {
          parse_npy<std::int32_t>(encode_npy(Tensor<std::int64_t>(Shape{1}, std::int64_t{1} << 40)), "bad.npy");
        }) == "bad.npy: element 0: expected a value that fits I32, found 1099511627776");
}

TEST_CASE("npy: cut off or changed anywhere, it is an io_error or it is read", "[io][npy]") {
  const auto read = [](const Bytes& bytes) { parse_npy<float>(bytes, "x"); };
  const Bytes valid = encode_npy(sample<float>(Shape{2, 3}));
  test::check_truncations(valid, read);
  CHECK(test::check_flips(valid, read) > 0);
}

// Weights in files: what is written comes back, what does not fit is listed, and nothing changes then.
#include <tessera/nn/save.hpp>

#include <tessera/nn/transformer.hpp>
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"
#include "tests/train/support.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using test::Net;
using test::same_tensors;

namespace {

template <class T>
Net<T> net_of(std::uint64_t seed, Index width = 4) {
  Rng rng(seed);
  return Net<T>(3, width, rng);
}

/// A module with a counter beside its weights.
struct Counted {
  Parameter<float> weight{Tensor<float>(Shape{2}, 1.5f)};
  Buffer<std::int64_t> count{Tensor<std::int64_t>::scalar(9000000000)};
  Buffer<std::int32_t> ids{Tensor<std::int32_t>(Shape{3}, -7)};
  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("count", self.count);
    see("ids", self.ids);
  }
};

std::string message_of(const Safetensors& file, auto& module, const std::string& prefix = "") {
  try {
    get(file, module, prefix);
  } catch (const io_error& e) { return e.what(); }
  return "no error";
}
std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t n = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("saved and loaded into another seed, a module gives the same output", "[nn]") {
  const test::Scratch scratch;
  const Tensor<float> x = Noise{1}.normal<float>({5, 3});
  const Net<float> a = net_of<float>(1);
  Net<float> b = net_of<float>(2);
  REQUIRE_FALSE(same_bytes(a(x), b(x)));
  save(scratch / "net.safetensors", a, {{"width", "4"}, {"名", "網"}});
  const Loaded loaded = load(scratch / "net.safetensors", b);
  CHECK(same_bytes(a(x), b(x)));
  CHECK(same_tensors(a, b));
  CHECK(loaded.not_finite.empty());
  CHECK(loaded.metadata == std::map<std::string, std::string>{{"width", "4"}, {"名", "網"}});

  Net<double> exact = net_of<double>(3), twin = net_of<double>(4);
  save(scratch / "double.safetensors", exact);
  load(scratch / "double.safetensors", twin);
  CHECK(same_tensors(exact, twin));
  load(scratch / "net.safetensors", twin);  // a float's file fills a double's module
  CHECK(twin.in.weight.value[0] == static_cast<double>(a.in.weight.value[0]));
}

TEST_CASE("half precision keeps whole numbers whole and floats near", "[nn]") {
  const test::Scratch scratch;
  Counted a, b;
  b.weight.value = Tensor<float>(Shape{2}, 0.0f);
  b.count.value = Tensor<std::int64_t>::scalar(0);
  b.ids.value = Tensor<std::int32_t>(Shape{3}, 0);
  for (const DType stored : {DType::f16, DType::bf16, DType::f32}) {
    save(scratch / "counted.safetensors", a, {}, stored);
    CHECK(Safetensors::read(scratch / "counted.safetensors").dtype("weight") == stored);
    load(scratch / "counted.safetensors", b);
    CHECK(b.weight.value[1] == 1.5f);
    CHECK(b.count.value.item() == 9000000000);
    CHECK(b.ids.value[2] == -7);
  }
  a.weight.value.data()[1] = 70000;
  CHECK_THROWS_WITH(save(scratch / "big.safetensors", a, {}, DType::f16),
                    Contains("weight") && Contains("70000") && Contains("F16"));
  CHECK_NOTHROW(save(scratch / "big.safetensors", a, {}, DType::bf16));
}

TEST_CASE("several modules share a file under their prefixes", "[nn]") {
  Net<float> a = net_of<float>(1), b = net_of<float>(2, 6), c = net_of<float>(3), d = net_of<float>(4, 6);
  Safetensors file;
  put(file, a, "text");
  put(file, b, "text2");  // no false start of "text"
  CHECK(file.contains("text.in.weight"));
  CHECK(file.contains("text2.hidden.bias"));
  get(file, c, "text");
  get(file, d, "text2");
  CHECK(same_tensors(a, c));
  CHECK(same_tensors(b, d));
  CHECK_THROWS_WITH(put(file, a, "text"), Contains("two tensors"));
  CHECK_THAT(message_of(file, c, "image"), Contains("no such tensor"));
}

TEST_CASE("what does not fit is listed, five at most, and nothing changes", "[nn]") {
  Net<float> small = net_of<float>(1), wide = net_of<float>(2, 6);
  const Net<float> before = net_of<float>(1);
  Safetensors file;
  put(file, wide);
  {
    const std::string m = message_of(file, small);
    CHECK_THAT(m, Contains("\"in.weight\": expected [4, 3], found [6, 3]"));
    CHECK(occurrences(m, "expected") == 5);  // in.weight, in.bias, hidden.weight, hidden.bias, out.weight
    CHECK_THAT(m, !Contains("more"));
  }
  file.erase("shift");
  file.erase("unused");
  file.put("unused2", Tensor<float>(Shape{2}, 0.0f));
  {
    const std::string m = message_of(file, small);
    CHECK(occurrences(m, "expected") == 5);
    CHECK_THAT(m, Contains("and 3 more differences"));
    CHECK(m.find('\n') == std::string::npos);
  }
  CHECK(same_tensors(small, before));

  Safetensors right;
  put(right, net_of<float>(3));
  const auto differs = [&](const char* expected, auto change) {
    Safetensors f = right;
    change(f);
    CHECK_THAT(message_of(f, small), Contains(expected));
    CHECK(same_tensors(small, before));
  };
  differs("\"shift\": expected [1], found no such tensor", [](Safetensors& f) { f.erase("shift"); });
  differs("\"more\": expected no such tensor, found [2, 2]", [](Safetensors& f) {
    f.put("more", Tensor<float>(Shape{2, 2}, 0.0f));
  });
  differs("\"shift\": expected F32, found I32",
          [](Safetensors& f) { f.put("shift", Tensor<std::int32_t>(Shape{1}, 0)); });
  differs("\"shift\": expected [1], found []", [](Safetensors& f) { f.put("shift", Tensor<float>::scalar(0)); });
  differs("\\x1b", [](Safetensors& f) { f.put("\x1b[2J", Tensor<float>::scalar(0)); });  // never echoed raw
}

TEST_CASE("a whole number that does not fit changes nothing either", "[nn]") {
  Counted a;
  Safetensors file;
  put(file, a);
  file.put("weight", Tensor<float>(Shape{2}, 4.0f));
  file.put("ids", Tensor<std::int64_t>(Shape{3}, std::int64_t{1} << 40));
  CHECK_THROWS_AS(get(file, a), io_error);
  CHECK(a.weight.value[0] == 1.5f);
}

TEST_CASE("weights that are not numbers are named", "[nn]") {
  const test::Scratch scratch;
  Net<float> a = net_of<float>(1);
  a.hidden.weight.value.data()[5] = NAN;
  a.shift.value.data()[0] = -INFINITY;
  for (const DType stored : {DType::f32, DType::f16, DType::bf16}) {
    save(scratch / "nan.safetensors", a, {}, stored);
    Net<float> b = net_of<float>(2);
    CHECK(load(scratch / "nan.safetensors", b).not_finite == std::vector<std::string>{"hidden.weight", "shift"});
  }
}

TEST_CASE("a truncated file is an error at every length", "[nn]") {
  const test::Scratch scratch;
  const Net<float> a = net_of<float>(1);
  Safetensors file;
  put(file, a);
  const Bytes whole = file.encode();
  Net<float> b = net_of<float>(2);
  const Net<float> before = net_of<float>(2);
  for (std::size_t length = 0; length < whole.size(); length += length < 20 ? 1 : 13) {
    write_file(scratch / "cut.safetensors", std::span(whole).first(length));
    CHECK_THROWS_AS(load(scratch / "cut.safetensors", b), io_error);
  }
  CHECK(same_tensors(b, before));
  CHECK_THROWS_WITH(load(scratch / "absent.safetensors", b), Contains("absent.safetensors"));
}

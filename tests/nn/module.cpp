// Walking modules: paths, counting, freezing.
#include <tessera/nn/module.hpp>

#include "tests/support/catch.hpp"
#include "tests/train/support.hpp"

using namespace tessera;

namespace {

struct Leaf {
  Parameter<float> weight{Tensor<float>(Shape{2, 3}, 1.0f)};
  Buffer<std::int32_t> count{Tensor<std::int32_t>::scalar(4)};
  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("count", self.count);
  }
};

/// Every kind of member there may be.
struct Tree {
  Leaf leaf;
  std::optional<Leaf> present = Leaf{}, absent;
  std::unique_ptr<Leaf> pointer = std::make_unique<Leaf>(), null;
  std::vector<Leaf> list = std::vector<Leaf>(2);
  std::array<Parameter<float>, 2> pair{Parameter<float>{Tensor<float>(Shape{1}, 0.0f)},
                                       Parameter<float>{Tensor<float>(Shape{5}, 0.0f)}};
  std::vector<std::optional<Leaf>> gaps = std::vector<std::optional<Leaf>>(3);
  Tree() { gaps[1] = Leaf{}; }
  static void members(auto& self, auto&& see) {
    see("leaf", self.leaf);
    see("present", self.present);
    see("absent", self.absent);
    see("pointer", self.pointer);
    see("null", self.null);
    see("list", self.list);
    see("pair", self.pair);
    see("gaps", self.gaps);
  }
};

}  // namespace

TEST_CASE("paths name every member there is, in the order of members()", "[nn]") {
  Tree tree;
  std::vector<std::string> parameters, tensors;
  for_each_parameter(tree, [&](const std::string& path, const auto&) { parameters.push_back(path); });
  for_each_tensor(std::as_const(tree), [&](const std::string& path, const auto&) { tensors.push_back(path); });
  CHECK(parameters == std::vector<std::string>{"leaf.weight", "present.weight", "pointer.weight", "list.0.weight",
                                               "list.1.weight", "pair.0", "pair.1", "gaps.1.weight"});
  CHECK(tensors.size() == 8 + 6);
  CHECK(tensors[1] == "leaf.count");
  CHECK(parameter_count(tree) == 6 * 6 + 1 + 5);  // buffers do not count
}

TEST_CASE("the list of leaves says what the walk says", "[nn]") {
  const Tree tree;
  const auto leaves = detail::leaves(tree);
  std::size_t i = 0;
  for_each_tensor(tree, [&](const std::string& path, const auto& v) {
    REQUIRE(i < leaves.size());
    CHECK(leaves[i].path == path);
    CHECK(detail::visit(leaves[i], [](const auto& seen) -> const void* { return &seen; }) == &v);
    CHECK(leaves[i].trained == !path.ends_with("count"));
    ++i;
  });
  CHECK(i == leaves.size());
  CHECK(&leaves[0].parameter<float>() == &tree.leaf.weight);
  CHECK_THROWS_AS(leaves[0].parameter<double>(), argument_error);
}

TEST_CASE("freezing goes by pattern, and a frozen parameter is a constant", "[nn]") {
  Rng rng(1);
  test::Net<double> net(3, 4, rng);
  CHECK(freeze(net, "*.bias") == 3);
  CHECK(freeze(net, "in.*") == 2);
  CHECK(freeze(net, "nothing*") == 0);
  Tape<Tensor<double>> tape;
  tape.backward(sum(net(tape.constant(Tensor<double>(Shape{2, 3}, 0.3)))));
  CHECK(tape.find_gradient(net.in.weight) == nullptr);
  CHECK(tape.find_gradient(*net.hidden.bias) == nullptr);
  CHECK(tape.find_gradient(net.hidden.weight) != nullptr);
  CHECK(freeze(net, "*", false) == 7);
  CHECK_FALSE(net.in.weight.frozen);
}

TEST_CASE("patterns match whole names", "[nn]") {
  CHECK(matches("*", ""));
  CHECK(matches("*", "a.b"));
  CHECK(matches("text.*", "text.blocks.0.weight"));
  CHECK_FALSE(matches("text.*", "context.x"));
  CHECK_FALSE(matches("text", "text.x"));
  CHECK(matches("*.bias", "a.b.bias"));
  CHECK(matches("blocks.*.attention.*", "blocks.11.attention.query.weight"));
  CHECK(matches("**a", "bca"));
  CHECK_FALSE(matches("", "a"));
}

static_assert(Module<Tree> && Module<const Leaf> && Module<test::Net<float>>);
static_assert(!Module<int> && !Module<Parameter<float>>);

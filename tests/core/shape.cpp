#include <tessera/core/shape.hpp>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("a shape knows its extents", "[core]") {
  const Shape s{2, 3, 4};
  CHECK(s.rank() == 3);
  CHECK(s.size() == 24);
  CHECK(s[0] == 2);
  CHECK(s.at(-1) == 4);
  CHECK(s.back() == 4);
  CHECK(s.normal(-3) == 0);
  CHECK(s.to_string() == "[2, 3, 4]");
  CHECK(std::vector<Index>(s.begin(), s.end()) == std::vector<Index>{2, 3, 4});
  CHECK(s == Shape{2, 3, 4});
  CHECK(s != Shape{2, 3});
  CHECK(s != Shape{2, 3, 5});
}

TEST_CASE("a scalar has rank 0 and one element", "[core]") {
  CHECK(Shape().rank() == 0);
  CHECK(Shape().size() == 1);
  CHECK(Shape().back() == 1);
  CHECK(Shape().to_string() == "[]");
  CHECK(Shape{0}.size() == 0);
}

TEST_CASE("shapes derived from a shape", "[core]") {
  const Shape s{2, 3, 4};
  CHECK(s.with(-1, 7) == Shape{2, 3, 7});
  CHECK(s.append(5) == Shape{2, 3, 4, 5});
  CHECK(s.without(1) == Shape{2, 4});
  CHECK(s.without(-1) == Shape{2, 3});
  CHECK(Shape{5}.without(0) == Shape());
  CHECK_THROWS_AS(s.with(3, 1), shape_error);
  CHECK_THROWS_AS(s.with(0, -1), shape_error);
  CHECK_THROWS_AS(s.without(3), shape_error);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1}.append(1)), shape_error);
}

TEST_CASE("impossible shapes are errors that say what was seen", "[core]") {
  CHECK_THROWS_WITH((Shape{2, -3}), "shape: negative extent in [2, -3]");
  CHECK_THROWS_WITH((Shape{2, 3}.at(2)), "shape: no axis 2 in [2, 3]");
  CHECK_THROWS_WITH((Shape{2, 3}.at(-3)), "shape: no axis -3 in [2, 3]");
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), shape_error);
  const Index large = Index{1} << 31;
  CHECK_THROWS_AS((Shape{large, large, large}), shape_error);  // the product overflows
  CHECK_THROWS_AS((Shape{large, large}), shape_error);         // it does not, but no memory is so large
  CHECK_THROWS_AS((Shape{0, large, large}), shape_error);      // dropping the 0 would overflow
  CHECK((Shape{0, large}).size() == 0);
}

TEST_CASE("broadcasting", "[core]") {
  CHECK(broadcast({2, 3}, {2, 3}, "add") == Shape{2, 3});
  CHECK(broadcast({2, 1, 4}, {3, 1}, "add") == Shape{2, 3, 4});
  CHECK(broadcast({}, {5}, "add") == Shape{5});
  CHECK(broadcast({1}, {0}, "add") == Shape{0});
  CHECK_THROWS_WITH(broadcast({2, 3}, {4}, "add"), "add: shapes do not broadcast: [2, 3] and [4]");
}

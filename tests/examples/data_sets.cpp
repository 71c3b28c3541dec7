#include <cmath>
#include <tessera/io/file.hpp>

#include "examples/support/fashion.hpp"
#include "examples/support/planar.hpp"
#include "examples/support/rows.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using Catch::Matchers::Contains;
using namespace tessera;
using namespace tessera::examples;

TEST_CASE("a planar set's points have the density and the entropy it tells", "[examples]") {
  for (const Planar set : planar_sets) {
    INFO(name_of(set));
    REQUIRE(planar_named(name_of(set)) == set);
    const Tensor<float> points = planar_points(set, 20000, Noise{1});
    const double reach = planar_reach(set);
    Index inside = 0;
    double sum = 0, squares = 0;
    for (Index i = 0; i < 20000; ++i) {
      const double x = static_cast<double>(points[2 * i]), y = static_cast<double>(points[2 * i + 1]);
      inside += std::abs(x) <= reach && std::abs(y) <= reach;
      if (i < 2000 && planar_log_density(set, x, y)) {
        const double l = *planar_log_density(set, x, y);
        sum += l / 2000;
        squares += l * l / 2000;
      }
    }
    REQUIRE(inside >= 19999);
    if (!planar_entropy(set)) continue;
    // The mean of 2,000 draws of -log p is the entropy, within four of its own deviations.
    REQUIRE(-sum == Approx(*planar_entropy(set)).margin(4 * std::sqrt((squares - sum * sum) / 2000) + 1e-3));
  }
}

TEST_CASE("a planar set's first points do not depend on how many are drawn", "[examples]") {
  const Tensor<float> few = planar_points(Planar::moons, 3, Noise{5}),
                      many = planar_points(Planar::moons, 100, Noise{5});
  for (Index i = 0; i < few.size(); ++i) REQUIRE(few[i] == many[i]);
  REQUIRE_THROWS_WITH(planar_named("moon"), Contains("moons, pinwheel"));
}

TEST_CASE("Fashion-MNIST is read as Debian packs it", "[examples]") {
  if (!fashion_installed()) {
    WARN("passed over: dataset-fashion-mnist is not installed");
    return;
  }
  const Fashion test = read_fashion(FashionPart::test);
  REQUIRE(test.pictures.shape() == Shape{10000, 28, 28, 1});
  Index counts[10] = {};
  for (Index i = 0; i < 10000; ++i) ++counts[test.labels[i]];
  for (const Index c : counts) REQUIRE(c == 1000);
  REQUIRE(test.labels[0] == 9);  // the first test picture is a boot
  const Tensor<float> rows = rows_of(in_unit_interval(test.pictures), Tensor<Index>::from({2}, {7, 3}));
  REQUIRE(rows.shape() == Shape{2, 28, 28, 1});
  REQUIRE(rows[100] * 255 == Approx(test.pictures[7 * 784 + 100]));
}

TEST_CASE("broken IDX files are errors that name file, field, expected and found", "[examples]") {
  REQUIRE_THROWS_WITH(read_fashion(FashionPart::train, "/nowhere"), Contains("apt-get install"));
  if (!fashion_installed()) return;
  const Bytes whole = read_file(std::string(fashion_folder) + "/t10k-labels-idx1-ubyte.gz");
  const test::Scratch folder;
  const auto refused = [&](const Bytes& bytes, const char* says) {
    const std::string path = folder / "broken.gz";
    write_file(path, bytes);
    REQUIRE_THROWS_AS(read_idx(path), io_error);
    REQUIRE_THROWS_WITH(read_idx(path), Contains("broken.gz") && Contains(says));
  };
  for (const std::size_t cut : {std::size_t{0}, std::size_t{5}, std::size_t{20}, whole.size() / 2, whole.size() - 1})
    refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut)), "expected");
  Bytes more = whole;
  more.push_back(0);
  refused(more, "after the compressed data");
  Bytes flipped = whole;
  flipped[flipped.size() - 6] ^= 1;  // the checksum
  refused(flipped, "gzip");
}

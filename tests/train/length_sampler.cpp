// Batches of like lengths: whole epochs without repeats, a pure function of the number, lengths together.
#include <set>
#include <tessera/train/length_sampler.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("an epoch of like lengths shows each item once, in batches that hardly differ in length", "[train]") {
  constexpr Index count = 1003, batch = 10;
  std::vector<Index> lengths;
  for (Index i = 0; i < count; ++i) lengths.push_back(1 + Noise{1}.below(20, static_cast<std::uint64_t>(i)));
  LengthSampler sampler(lengths, batch, 7);
  REQUIRE(sampler.batches_an_epoch() == 100);
  std::set<Index> left_over;
  for (Index epoch = 0; epoch < 3; ++epoch) {
    std::set<Index> seen;
    Index mixed = 0, rising = 0, before = 0;
    for (Index b = 0; b < 100; ++b) {
      Index low = 100, high = 0;
      for (const Index i : sampler(epoch * 100 + b)) {
        REQUIRE(seen.insert(i).second);
        low = std::min(low, lengths[static_cast<std::size_t>(i)]);
        high = std::max(high, lengths[static_cast<std::size_t>(i)]);
      }
      REQUIRE(high - low <= 1);
      mixed += high != low ? 1 : 0;
      rising += low >= before ? 1 : 0;
      before = low;
    }
    CHECK(mixed < 20);   // where one length ends and the next begins
    CHECK(rising < 80);  // short and long come in no order
    for (Index i = 0; i < count; ++i) {
      if (!seen.contains(i)) left_over.insert(i);
    }
  }
  CHECK(left_over.size() > 3);  // not the same three each time
}

TEST_CASE("batch i of like lengths is a pure function of i", "[train]") {
  const std::vector<Index> lengths = {3, 1, 2, 3, 1, 2, 3, 1, 2};
  LengthSampler forward(lengths, 2, 5), back(lengths, 2, 5);
  std::vector<std::vector<Index>> all;
  for (Index i = 0; i < 12; ++i) all.emplace_back(forward(i).begin(), forward(i).end());
  for (Index i = 12; i-- > 0;)
    CHECK(std::vector<Index>(back(i).begin(), back(i).end()) == all[static_cast<std::size_t>(i)]);
  CHECK_THROWS_AS(LengthSampler(lengths, 10, 1), argument_error);
  CHECK_THROWS_AS(LengthSampler(lengths, 0, 1), argument_error);
}

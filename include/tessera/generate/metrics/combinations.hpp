// Do a generator's units fit together? For objects of units whose right answers are known, or known by their draws.
//
//   impossible   share of made objects that are none of the possible ones: units of one answer beside units of another
//   covered      possible objects that were made
//
// and, from draws alone, what a sample says of the model it came from, in nats an object of the data (n draws, V values
// a unit; a count c of n becomes a probability (c + 1/2) / (n + 1/2 K), so that what was never made costs about log 2n
// and not infinity: Krichevsky and Trofimov, 1981):
//
//   joint        mean -log q(x)             q: whole objects, K = the different objects seen on either side
//   per unit     mean -sum_i log q_i(x_i)   q_i: unit i by itself, K = V
// A model of independent units can have its per-unit number down at the data's; its joint number then stays above the
// data's by the total correlation. A model that drops modes pays in both.
#pragma once

#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <tessera/core/tensor.hpp>
#include <tessera/kernel/isa.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct Combinations {
  double impossible = 0;         // in [0, 1]
  Index covered = 0, modes = 0;  // possible objects made at least `least` times, and possible ones
  std::vector<Index> hits = {};  // of each
};

/// `3% impossible, 2/2 modes`
inline std::string to_string(const Combinations& c) {
  const double percent = 100 * c.impossible;
  char share[32];
  std::snprintf(share, sizeof share, percent > 0 && percent < 9.95 ? "%.1f" : "%.0f", percent);
  return std::string(share) + "% impossible, " + std::to_string(c.covered) + "/" + std::to_string(c.modes) + " modes";
}

struct SampleNats {
  double joint = 0, per_unit = 0;  // an object of the data
};

namespace detail {

/// How often each object, a row of units, is there.
using RowCounts = std::map<std::vector<std::int32_t>, Index>;

/// Objects [n, ...] of as many units a row. Throws shape_error.
inline Index units_a_row(const char* metric, const Tensor<std::int32_t>& a, const Tensor<std::int32_t>& b) {
  const bool rows = a.rank() >= 1 && b.rank() >= 1 && a.extent(0) > 0 && b.extent(0) > 0;
  if (!rows || a.size() / a.extent(0) != b.size() / b.extent(0))
    throw shape_error(std::string(metric) + ": objects of as many units on both sides wanted, shapes are " +
                      a.shape().to_string() + " and " + b.shape().to_string());
  return a.size() / a.extent(0);
}
inline std::vector<std::int32_t> row_of(const Tensor<std::int32_t>& x, Index row, Index units) {
  const std::int32_t* from = x.data() + row * units;
  return std::vector<std::int32_t>(from, from + units);
}
inline RowCounts count_rows(const Tensor<std::int32_t>& x, Index units) {
  RowCounts counts;
  for (Index i = 0; i < x.extent(0); ++i) ++counts[row_of(x, i, units)];
  return counts;
}
inline double smoothed_log(Index count, Index of, Index kinds) {
  return std::log((static_cast<double>(count) + 0.5) / (static_cast<double>(of) + 0.5 * static_cast<double>(kinds)));
}

}  // namespace detail

/// made [n, ...] against the possible objects [k, ...], all different. Throws shape_error, and argument_error for a
/// possible object that is there twice.
inline Combinations count_combinations(const Tensor<std::int32_t>& made, const Tensor<std::int32_t>& possible,
                                       Index least = 1) {
  const Index units = detail::units_a_row("count_combinations", made, possible);
  Combinations c{.modes = possible.extent(0), .hits = std::vector<Index>(static_cast<std::size_t>(possible.extent(0)))};
  detail::RowCounts place;
  for (Index k = 0; k < c.modes; ++k) {
    if (!place.emplace(detail::row_of(possible, k, units), k).second)
      throw argument_error("count_combinations: possible object " + std::to_string(k) + " is there twice");
  }
  Index outside = 0;
  for (Index i = 0; i < made.extent(0); ++i) {
    const auto found = place.find(detail::row_of(made, i, units));
    if (found == place.end())
      ++outside;
    else
      ++c.hits[static_cast<std::size_t>(found->second)];
  }
  for (const Index h : c.hits) c.covered += h >= least;
  c.impossible = static_cast<double>(outside) / static_cast<double>(made.extent(0));
  return c;
}

/// What draws [n, ...] say of the model that made them, on data [m, ...]; units in [0, values). Throws shape_error,
/// argument_error for a unit out of range.
inline SampleNats sample_nats(const Tensor<std::int32_t>& made, const Tensor<std::int32_t>& data, Index values) {
  const Index units = detail::units_a_row("sample_nats", made, data), n = made.extent(0), m = data.extent(0);
  std::vector<Index> counts(static_cast<std::size_t>(units * values));
  const auto cell = [&](const Tensor<std::int32_t>& x, Index i) -> Index& {
    if (x[i] < 0 || x[i] >= values)
      throw argument_error("sample_nats: unit " + std::to_string(x[i]) + " is not in [0, " + std::to_string(values) +
                           ")");
    return counts[static_cast<std::size_t>(i % units * values + x[i])];
  };
  for (Index i = 0; i < made.size(); ++i) ++cell(made, i);
  SampleNats nats;
  for (Index i = 0; i < data.size(); ++i) nats.per_unit -= detail::smoothed_log(cell(data, i), n, values);

  const detail::RowCounts whole = detail::count_rows(made, units), wanted = detail::count_rows(data, units);
  auto kinds = static_cast<Index>(whole.size());
  for (const auto& [row, times] : wanted) kinds += whole.contains(row) ? 0 : 1;
  for (const auto& [row, times] : wanted) {
    const auto found = whole.find(row);
    nats.joint -= static_cast<double>(times) * detail::smoothed_log(found == whole.end() ? 0 : found->second, n, kinds);
  }
  nats.joint /= static_cast<double>(m);
  nats.per_unit /= static_cast<double>(m);
  return nats;
}

}  // namespace tessera::inline TESSERA_ISA

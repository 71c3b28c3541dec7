// Quantised weights [out, in] arranged for the products: panels of 16 outputs, an output a lane, so that a product
// needs neither shuffles nor sums across lanes, reads memory once from front to back, and rounds each output the same
// way whatever stands beside it.
//
//   panel     scales [block][16] halves, up to a multiple of 64 bytes, then words [block][group][16]
//   word      the 4 bytes of one output that a published block has at 4 * group, with Q8_0's made unsigned (q + 128)
//
// A panel is thus the published bytes of 16 rows, 4 at a time in turns. Where `in` is no multiple of 32 or `out` none
// of 16, zeros fill up.
#pragma once

#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/quantized.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// Outputs in a panel of blocks.
inline constexpr Index panel_outputs = 16;

constexpr Index blocks_of(Index in) { return (in + block_length - 1) / block_length; }
constexpr Index panels_of(Index out) { return (out + panel_outputs - 1) / panel_outputs; }

namespace detail {

/// Where a panel's words begin.
constexpr Index panel_words(Index in) { return (blocks_of(in) * panel_outputs * 2 + 63) / 64 * 64; }

}  // namespace detail

template <class Format>
constexpr Index panel_bytes(Index in) {
  return detail::panel_words(in) + blocks_of(in) * panel_outputs * Format::quants;
}

/// Bytes of a whole matrix in panels.
template <class Format>
constexpr Index quantized_bytes(Index out, Index in) {
  return panels_of(out) * panel_bytes<Format>(in);
}

/// Puts the published blocks of one row where panels have them.
template <class Format>
void put_row(Format, const std::uint8_t* blocks, Index row, Index in, std::uint8_t* matrix) {
  std::uint8_t* panel = matrix + row / panel_outputs * panel_bytes<Format>(in);
  const Index lane = row % panel_outputs;
  std::uint8_t* words = panel + detail::panel_words(in) + lane * 4;
  for (Index b = 0; b < blocks_of(in); ++b, blocks += Format::bytes) {
    std::memcpy(panel + (b * panel_outputs + lane) * 2, blocks, 2);
    for (Index g = 0; g < Format::quants / 4; ++g, words += panel_outputs * 4) {
      std::uint32_t word;
      std::memcpy(&word, blocks + 2 + g * 4, 4);
      word ^= Format::flip;
      std::memcpy(words, &word, 4);
    }
  }
}

/// The published blocks of one row, as put_row was given them.
template <class Format>
void get_row(Format, const std::uint8_t* matrix, Index row, Index in, std::uint8_t* blocks) {
  const std::uint8_t* panel = matrix + row / panel_outputs * panel_bytes<Format>(in);
  const Index lane = row % panel_outputs;
  const std::uint8_t* words = panel + detail::panel_words(in) + lane * 4;
  for (Index b = 0; b < blocks_of(in); ++b, blocks += Format::bytes) {
    std::memcpy(blocks, panel + (b * panel_outputs + lane) * 2, 2);
    for (Index g = 0; g < Format::quants / 4; ++g, words += panel_outputs * 4) {
      std::uint32_t word;
      std::memcpy(&word, words, 4);
      word ^= Format::flip;
      std::memcpy(blocks + 2 + g * 4, &word, 4);
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel

// What makes one picture, as it is stored in its PNG and read back by --repro; and the file handling around it.
#pragma once

#include <span>
#include <string>
#include <tessera/diffusion/solver.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/png.hpp>
#include <tessera/io/safetensors.hpp>
#include <vector>

namespace tessera::examples {

struct PaintJob {
  std::string prompt = {};
  std::uint64_t seed = 0;
  std::int64_t steps = 1;
  double guidance = 1;
  Solver solver = Solver::multistep;
  double shift = 1;
  std::string weights = {};  // fingerprint

  /// The PNG's text chunks.
  PngTexts texts() const;
};

/// The shortest text that reads back as the same number.
std::string number_text(double value);

/// The settings stored in a PNG of ours. Throws io_error for any other file, naming what is missing or out of range.
PaintJob read_paint_job(const std::string& path);

/// Throws argument_error for an empty prompt, one that is not UTF-8, and one with a zero byte.
void check_prompt(const std::string& prompt);
/// One prompt a line, empty lines skipped, at most 4 MiB; "-" is standard input. Throws io_error.
std::vector<std::string> read_prompts(const std::string& path);
/// "euler", "heun", "multistep", and back. Throws argument_error for a name that is none.
Solver solver_named(const std::string& name);
const char* name_of(Solver solver);

/// One file name a picture from a pattern with %d or %03d. Throws argument_error for another pattern, or none for
/// several.
std::vector<std::string> output_names(const std::string& pattern, std::size_t count);
/// Throws io_error when the file cannot be made or replaced: better said before painting than after.
void check_writable(const std::string& path);
/// Everything, to standard output. Throws io_error.
void write_stdout(std::span<const std::uint8_t> bytes);

/// Throws io_error that says how to get the weights when the file is missing.
Bytes read_weights(const std::string& path);
/// 16 hexadecimal digits that tell one weights file from another.
std::string fingerprint_of(const Bytes& bytes);

/// Warns of weights that hold NaN or infinity, by name.
void warn_of_non_finite(const std::string& program, const Safetensors& file);

/// Picture i of [B, H, W, C] in [-1, 1] as [H, W, C] of bytes.
Tensor<std::uint8_t> picture_of(const Tensor<float>& pictures, Index i);
/// Every pixel a square of `factor` pixels.
Tensor<std::uint8_t> enlarged(const Tensor<std::uint8_t>& picture, std::int64_t factor);
/// [N, H, W, C]
Tensor<std::uint8_t> stacked(const std::vector<Tensor<std::uint8_t>>& pictures);

}  // namespace tessera::examples

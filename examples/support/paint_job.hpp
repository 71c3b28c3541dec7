// What makes one picture, as it is stored in its PNG and read back by --repro; and the file handling around it.
#pragma once

#include <span>
#include <string>
#include <tessera/diffusion/solver.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/png.hpp>
#include <tessera/io/safetensors.hpp>
#include <vector>

#include "examples/support/output.hpp"
#include "examples/support/stored_settings.hpp"

namespace tessera::examples {

/// The kinds of models there are (paint_model.hpp).
enum class PaintKind { flow, image_gpt };
/// "flow", "image_gpt", and back. Throws argument_error for a name that is none.
PaintKind kind_named(const std::string& name);
const char* name_of(PaintKind kind);

struct PaintJob {
  std::string prompt = {};
  std::uint64_t seed = 0;
  PaintKind kind = PaintKind::flow;
  std::int64_t steps = 1;  // flow, as solver and shift
  double guidance = 1;
  Solver solver = Solver::multistep;
  double shift = 1;
  double temperature = 1, top_p = 1;  // image_gpt
  std::string weights = {};           // fingerprint

  /// The PNG's text chunks.
  PngTexts texts() const;
};

/// The settings stored in a PNG of ours. Throws io_error for any other file, naming what is missing or out of range.
PaintJob read_paint_job(const std::string& path);

/// Throws argument_error for an empty prompt, one that is not UTF-8, and one with a zero byte.
void check_prompt(const std::string& prompt);
/// "euler", "heun", "multistep", and back. Throws argument_error for a name that is none.
Solver solver_named(const std::string& name);
const char* name_of(Solver solver);

/// Throws io_error that says how to get the weights when the file is missing.
Bytes read_weights(const std::string& path);

/// Warns of weights that hold NaN or infinity, by name.
void warn_of_non_finite(const std::string& program, const Safetensors& file);

/// Picture i of [B, H, W, C] in [-1, 1] as [H, W, C] of bytes.
Tensor<std::uint8_t> picture_of(const Tensor<float>& pictures, Index i);
/// Every pixel a square of `factor` pixels.
Tensor<std::uint8_t> enlarged(const Tensor<std::uint8_t>& picture, std::int64_t factor);
/// [N, H, W, C]
Tensor<std::uint8_t> stacked(const std::vector<Tensor<std::uint8_t>>& pictures);

}  // namespace tessera::examples

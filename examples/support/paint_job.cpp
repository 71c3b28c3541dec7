#include "examples/support/paint_job.hpp"

#include <unistd.h>

#include <cstring>
#include <tessera/io/file.hpp>
#include <tessera/io/pixels.hpp>
#include <tessera/io/text.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/stored_settings.hpp"

namespace tessera::examples {

PngTexts PaintJob::texts() const {
  PngTexts texts = {{"Software", "Tessera paint 1"},     {"Prompt", prompt},
                    {"Seed", std::to_string(seed)},      {"Model", name_of(kind)},
                    {"CfgScale", number_text(guidance)}, {"Weights", weights}};
  if (kind == PaintKind::flow) {
    texts["Steps"] = std::to_string(steps);
    texts["Solver"] = name_of(solver);
    texts["Shift"] = number_text(shift);
  } else {
    texts["Temperature"] = number_text(temperature);
    texts["TopP"] = number_text(top_p);
  }
  return texts;
}

PaintJob read_paint_job(const std::string& path) {
  const StoredSettings stored(path, read_png(path).texts, "paint");
  PaintJob job{.prompt = stored.text("Prompt"),
               .seed = stored.number<std::uint64_t>("Seed", 0, ~std::uint64_t{0}),
               .guidance = stored.number<double>("CfgScale", 0, 100),
               .weights = stored.text("Weights")};
  try {
    if (stored.has("Model")) job.kind = kind_named(stored.text("Model"));  // there once was one kind only
    if (job.kind == PaintKind::flow) {
      job.steps = stored.number<std::int64_t>("Steps", 1, 1000);
      job.shift = stored.number<double>("Shift", 0.01, 100);
      job.solver = solver_named(stored.text("Solver"));
    } else {
      job.temperature = stored.number<double>("Temperature", 0, 100);
      job.top_p = stored.number<double>("TopP", 0, 1);
    }
    check_prompt(job.prompt);
  } catch (const argument_error& e) { throw io_error(printable(path) + ": " + e.what()); }
  return job;
}

void check_prompt(const std::string& prompt) {
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos)
    throw argument_error("the prompt is empty; say what to paint");
  if (prompt.find('\0') != std::string::npos) throw argument_error("the prompt has a zero byte");
  if (const std::size_t at = utf8_error(prompt); at != prompt.size())
    throw argument_error("the prompt is not UTF-8: byte " + std::to_string(at) + " of " + quoted(prompt, 60));
}

const char* name_of(PaintKind kind) { return kind == PaintKind::flow ? "flow" : "image_gpt"; }

PaintKind kind_named(const std::string& name) {
  for (const PaintKind kind : {PaintKind::flow, PaintKind::image_gpt}) {
    if (name == name_of(kind)) return kind;
  }
  throw argument_error("model " + quoted(name, 40) + " is none of flow, image_gpt");
}

const char* name_of(Solver solver) {
  return solver == Solver::euler ? "euler" : solver == Solver::heun ? "heun" : "multistep";
}

Solver solver_named(const std::string& name) {
  for (const Solver solver : {Solver::euler, Solver::heun, Solver::multistep}) {
    if (name == name_of(solver)) return solver;
  }
  throw argument_error("solver " + quoted(name, 40) + " is none of euler, heun, multistep");
}

Bytes read_weights(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0)
    throw io_error(printable(path) +
                   ": no such weights; they come with the repository, build/examples/train_paint and train_image_gpt "
                   "make them, and "
                   "--weights names others");
  return read_file(path);
}

void warn_of_non_finite(const std::string& program, const Safetensors& file) {
  constexpr std::size_t shown = 5;
  const std::vector<std::string> names = file.non_finite();
  if (names.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < names.size() && i < shown; ++i) list += (i == 0 ? "" : ", ") + quoted(names[i]);
  if (names.size() > shown) list += " and " + std::to_string(names.size() - shown) + " more";
  complain(program, "warning: " + file.source() + ": NaN or infinity in " + list);
}

Tensor<std::uint8_t> picture_of(const Tensor<float>& pictures, Index i) {
  const Shape& s = pictures.shape();
  const Index each = s[1] * s[2] * s[3];
  Tensor<std::uint8_t> p(Shape{s[1], s[2], s[3]});
  std::uint8_t* to = p.data();
  for (Index k = 0; k < each; ++k) to[k] = to_8bit(pictures[i * each + k]);
  return p;
}

Tensor<std::uint8_t> enlarged(const Tensor<std::uint8_t>& picture, std::int64_t factor) {
  const Index h = picture.extent(0), w = picture.extent(1), c = picture.extent(2);
  Tensor<std::uint8_t> big(Shape{h * factor, w * factor, c});
  std::uint8_t* to = big.data();
  for (Index y = 0; y < h * factor; ++y)
    for (Index x = 0; x < w * factor; ++x)
      for (Index k = 0; k < c; ++k) *to++ = picture[((y / factor) * w + x / factor) * c + k];
  return big;
}

Tensor<std::uint8_t> stacked(const std::vector<Tensor<std::uint8_t>>& pictures) {
  const Shape& s = pictures.front().shape();
  Tensor<std::uint8_t> all(Shape{static_cast<Index>(pictures.size()), s[0], s[1], s[2]});
  std::uint8_t* to = all.data();
  for (const auto& p : pictures) {
    std::memcpy(to, p.data(), static_cast<std::size_t>(p.size()));
    to += p.size();
  }
  return all;
}

}  // namespace tessera::examples

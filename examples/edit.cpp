// Editing in noise space: the same operations on the latents of a VAE, a flow and a diffusion model, one picture a
// family.
//
//   build/examples/edit vae.safetensors --sheet vae_edit.png          weights of train_vae
//   build/examples/edit flow.safetensors --sheet flow_edit.png        weights of train_flow
//   build/examples/edit paint.safetensors --sheet paint_edit.png      weights of train_paint, on its own pictures
//
// Rows: pictures and their reconstructions; a straight and a spherical path between two; an attribute (boot to sandal;
// for paint: dark skin) put on step by step; neighbours of one latent; a is to b as c is to ?; a grid between four.
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/io/png.hpp>
#include <tessera/unit/token.hpp>

#include <tessera/diffusion/inversion.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/fashion_models.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "edit";
constexpr Index columns = 8;

struct Options {
  std::vector<std::string> weights;
  std::string sheet = "edit.png";
  Index steps = 15, threads = 0;
  double strength = 1.5;
  std::uint64_t seed = 1;
};

/// What the edits need of a data set: eight pictures, and two groups that an attribute tells apart.
struct Pictures {
  Tensor<float> eight, with, without;  // [N, ...] as the model takes them
};

/// Draws all rows with any model that encodes and decodes.
template <class M>
requires LatentModel<M> Tensor<float> edits(const M& model, const Pictures& p, const Options& o) {
  const Tensor<float> z = model.encode(p.eight, Tensor<float>());
  const auto at = [&](Index i) { return slice(z, 0, i, i + 1); };
  std::vector<Tensor<float>> rows = {p.eight, model.decode(z, Tensor<float>())};
  const auto show = [&](const Tensor<float>& latents) { rows.push_back(model.decode(latents, Tensor<float>())); };
  show(latent_path(at(0), at(1), columns, Interpolation::linear));
  show(latent_path(at(0), at(1), columns, Interpolation::spherical));

  const Index n = p.with.extent(0), m = p.without.extent(0);
  const Tensor<float> groups = model.encode(concat({p.with, p.without}, 0), Tensor<float>());
  Tensor<std::uint8_t> has(Shape{n + m}, std::uint8_t{0});
  for (Index i = 0; i < n; ++i) has.data()[i] = 1;
  const Tensor<float> v = attribute_vector(groups, has), plain = slice(groups, 0, n, n + 1);
  std::vector<Tensor<float>> stages;
  for (Index i = 0; i < columns; ++i)
    stages.push_back(with_attribute(plain, v, o.strength * static_cast<double>(i) / (columns - 1)));
  show(concat(std::span<const Tensor<float>>(stages), 0));

  show(concat({at(2), neighbours(at(2), columns - 1, 0.4, Noise{o.seed})}, 0));
  const Tensor<float> answer = analogy(at(3), at(4), at(5));
  show(concat({at(3), at(4), at(5), answer, at(4), at(3), at(6), analogy(at(4), at(3), at(6))}, 0));
  show(latent_grid(at(0), at(2), at(4), at(6), 4, columns, Interpolation::spherical));
  return concat(std::span<const Tensor<float>>(rows), 0);
}

/// Boots with, sandals added: the attribute is "is a sandal". `scaled` makes a model's input of bytes.
template <class Scaled>
Pictures fashion_pictures(const Scaled& scaled) {
  const Fashion test = read_fashion(FashionPart::test);
  const auto of_class = [&](std::int32_t label, Index count) {
    std::vector<Tensor<std::uint8_t>> found;
    for (Index i = 0; i < test.labels.size() && static_cast<Index>(found.size()) < count; ++i) {
      if (test.labels[i] == label) found.push_back(slice(test.pictures, 0, i, i + 1));
    }
    return scaled(concat(std::span<const Tensor<std::uint8_t>>(found), 0));
  };
  return {scaled(slice(test.pictures, 0, 0, columns)), of_class(5, 200), of_class(9, 200)};
}

int write_sheet(const Tensor<std::uint8_t>& pictures, const Options& o) {
  write_png(o.sheet, contact_sheet(pictures, {}, {.columns = static_cast<int>(columns), .upscale = 2, .padding = 2}));
  std::printf("wrote %s\n", printable(o.sheet).c_str());
  return exit_done;
}

template <class V>
int edit_vae(const std::string& path, const VaeConfig& config, const Options& o) {
  Rng rng(1);
  V vae(config, rng);
  load(path, vae);
  const auto kind = config.likelihood.kind;
  const Pictures p = fashion_pictures([&](const auto& levels) { return for_likelihood(levels, kind); });
  const float low = kind == Likelihood::Kind::bernoulli ? 0.f : -1.f;
  return write_sheet(grey_to_rgb(edits(vae, p, o), low), o);
}

int edit_paint(const std::string& path, const Options& o) {
  const TextToImage paint = load<TextToImage>(path);
  const auto painted = [&](const std::vector<std::string>& prompts) {
    return paint.begin(prompts, forks(Noise{o.seed}, static_cast<Index>(prompts.size())), {.steps = o.steps}).finish();
  };
  const PaintLatent model(paint, "", o.steps);
  const Pictures p{painted({"red heart", "blue heart", "crying face", "man running", "woman running", "man cook",
                            "waving hand", "sun"}),
                   painted({"man: dark skin tone", "woman: dark skin tone", "boy: dark skin tone",
                            "girl: dark skin tone", "waving hand: dark skin tone", "thumbs up: dark skin tone"}),
                   painted({"man: light skin tone", "woman: light skin tone", "boy: light skin tone",
                            "girl: light skin tone", "waving hand: light skin tone", "thumbs up: light skin tone"})};
  return write_sheet(to_8bit(edits(model, p, o)), o);
}

int edit(int argc, char** argv) {
  Options o;
  Cli cli(program, "Edits pictures by their latents: reconstructs, interpolates, adds attributes.");
  cli.rest("weights", o.weights, "a file of train_vae, train_flow or train_paint");
  cli.option("--sheet", o.sheet, "the PNG (default edit.png)");
  cli.option("--strength", o.strength, "how much of an attribute the last picture of its row has (default 1.5)", -10,
             10);
  cli.option("--steps", o.steps, "paint: steps of the sampler each way (default 15)", 1, 1000);
  cli.option("--seed", o.seed, "of neighbours (default 1)");
  cli.option("--threads", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  if (o.weights.size() != 1) throw argument_error("one file of weights wanted");
  const std::string& path = o.weights[0];
  const auto metadata = Safetensors::read(path).metadata;
  const auto found = metadata.find("model");
  const std::string kind = found == metadata.end() ? "" : found->second;
  const auto number = [&](const char* key) { return number_in(metadata, key, path); };
  if (kind == "mlp vae" || kind == "conv vae") {
    if (number("classes") != 0)
      throw argument_error("edit: these weights are of a VAE with classes; train one without --classes");
    const auto likelihood = metadata.find("likelihood");
    const VaeConfig config = fashion_vae({.likelihood = likelihood == metadata.end() ? "bernoulli" : likelihood->second,
                                          .latent = number("latent"),
                                          .hidden = number("hidden"),
                                          .uniform = number("uniform") != 0});
    return kind == "mlp vae" ? edit_vae<MlpVae<float>>(path, config, o) : edit_vae<ConvVae<float>>(path, config, o);
  }
  if (kind == "glow" || kind == "realnvp") {
    Rng rng(1);
    Glow flow = fashion_glow(number("steps"), number("hidden"), kind == "glow", rng);
    load(path, flow);
    const Pictures p =
        fashion_pictures([](const auto& levels) { return dequantise<float>(levels, 256, Noise{1}) + (-0.5f); });
    return write_sheet(grey_to_rgb(edits(flow, p, o) + 0.5f), o);
  }
  return edit_paint(path, o);
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, edit, argc, argv); }

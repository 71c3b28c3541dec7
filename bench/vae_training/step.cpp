// One side of bench/vae_training/compare.sh: training steps of variational autoencoders in Tessera.
//
//   step fixture FILE conv|mlp       writes weights, one batch and the noise of five steps, for both sides to start
//                                    from
//   step run FILE SECONDS            five steps' losses, then as many steps as fit into the time: pictures a second
#include <cstdio>
#include <cstdlib>
#include <string>

#include <tessera/autodiff/op/loss.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/optimizer.hpp>
#include <tessera/vae/vae.hpp>

#include "bench/rate.hpp"

using namespace tessera;

namespace {
constexpr Index batch = 128;

// The conv VAE is that of the table of peers: 28 x 28, latent 16.
VaeConfig config_of(bool conv) {
  return conv ? VaeConfig{.hidden = {256}, .channels = {32, 64}, .latent = 16}
              : VaeConfig{.hidden = {400}, .latent = 20};
}

/// elbo() with the noise of a file instead of a drawn one.
template <class M, class X>
X loss_of(const M& vae, const X& x, const Tensor<float>& e) {
  const auto q = vae.posterior(x);
  return gaussian_kl(q.mean, q.log_variance) - mean(vae.config.likelihood.log_prob(vae.decoded(q.draw(e)), plain(x)));
}

template <class M>
int fixture(const char* path, bool conv) {
  Rng rng(1);
  const M vae(config_of(conv), rng);
  Safetensors file;
  put(file, vae, "net");
  file.put("x", Noise{2}.uniform<float>({batch, 28, 28, 1}));
  file.put("e", Noise{3}.normal<float>({5, batch, vae.config.latent}));
  file.metadata["kind"] = conv ? "conv" : "mlp";
  file.write(path);
  return 0;
}

template <class M>
int run(const Safetensors& file, bool conv, double seconds) {
  Rng rng(2);
  M vae(config_of(conv), rng);
  get(file, vae, "net");
  const auto x = file.get<float>("x"), noise = file.get<float>("e");
  Optimizer<float> optimizer(adam(1e-3));
  const auto step = [&](const auto& loss) {
    Tape<Tensor<float>> tape;
    const auto value = loss(tape);
    tape.backward(value);
    Gradients<float> gradients;
    gradients.add(vae, tape);
    optimizer.step(vae, gradients);
    return value.value().item();
  };
  std::printf("losses");
  for (Index i = 0; i < 5; ++i) {
    const auto e = slice(noise, 0, i, i + 1).reshaped({batch, vae.config.latent});
    std::printf(" %.4f", static_cast<double>(step([&](auto& t) { return loss_of(vae, t.constant(x), e); })));
  }
  std::uint64_t draws = 0;
  const double rate = bench::rate(seconds, [&] {
    const Noise e = Noise{7}.fork(draws++);
    step([&](auto& t) { return elbo(vae, t.constant(x), e).loss; });
  });
  std::printf("\nrate %.3f\n", rate * batch);
  return 0;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "step fixture FILE conv|mlp | step run FILE SECONDS\n"), 2;
  if (std::string(argv[1]) == "fixture") {
    const bool conv = std::string(argv[3]) == "conv";
    return conv ? fixture<ConvVae<float>>(argv[2], true) : fixture<MlpVae<float>>(argv[2], false);
  }
  const Safetensors file = Safetensors::read(argv[2]);
  const auto kind = file.metadata.find("kind");
  const bool conv = kind != file.metadata.end() && kind->second == "conv";
  const double seconds = std::atof(argv[3]);
  return conv ? run<ConvVae<float>>(file, true, seconds) : run<MlpVae<float>>(file, false, seconds);
}

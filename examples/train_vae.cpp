// Trains a variational autoencoder on Fashion-MNIST and tells how good it is: the bound on the test pictures, and the
// tighter importance-weighted one.
//
//   build/examples/train_vae --output vae.safetensors --sheet vae.png                          784-400-20, Bernoulli
//   build/examples/train_vae --conv --latent 16 --likelihood logistic --warmup 2000 --classes
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/sampler.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/fashion_models.hpp"
#include "examples/support/rows.hpp"
#include "examples/support/training.hpp"
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_vae";

struct Options {
  FashionVaeSettings vae;
  ElboOptions elbo;
  Index epochs = 10, steps = 0, batch = 128, draws = 50, weighted = 1000, threads = 0;
  double rate = 1e-3;
  std::uint64_t seed = 1;
  bool conv = false;
  std::string folder, output, twin, sheet;
};

struct Data {
  Tensor<float> train, test;                            // [N, 28, 28, 1]
  Tensor<float> train_context = {}, test_context = {};  // [N, 10], or empty
};

Data read_data(const VaeConfig& config) {
  const Fashion train = read_fashion(FashionPart::train), test = read_fashion(FashionPart::test);
  Data d{for_likelihood(train.pictures, config.likelihood.kind), for_likelihood(test.pictures, config.likelihood.kind)};
  if (config.context > 0) d.train_context = one_hot(train.labels), d.test_context = one_hot(test.labels);
  return d;
}
Tensor<float> part_of(const Tensor<float>& all, Index begin, Index end) {
  return all ? slice(all, 0, begin, end) : Tensor<float>();
}

/// Means over the test pictures, in nats.
template <class M>
void evaluate(const M& vae, const Data& data, const Options& o) {
  double reconstruction = 0, kl = 0, weighted = 0;
  const Index n = data.test.extent(0), part = 500;
  for (Index i = 0; i < n; i += part) {
    const auto e =
        elbo(vae, part_of(data.test, i, i + part), Noise{o.seed}.fork(900).fork(static_cast<std::uint64_t>(i)), {}, 0,
             part_of(data.test_context, i, i + part));
    reconstruction += static_cast<double>(e.reconstruction.item() * part) / static_cast<double>(n);
    kl += static_cast<double>(e.kl.item() * part) / static_cast<double>(n);
  }
  std::printf("test: -log p(x) <= %.2f nats (reconstruction %.2f, KL %.2f)\n", reconstruction + kl, reconstruction, kl);
  if (o.draws < 2 || o.weighted < 1) return;
  for (Index i = 0; i < o.weighted; i += 100) {
    const Index end = i + 100 < o.weighted ? i + 100 : o.weighted;
    const auto bound = importance_bound(vae, part_of(data.test, i, end), o.draws,
                                        Noise{o.seed}.fork(901).fork(static_cast<std::uint64_t>(i)),
                                        part_of(data.test_context, i, end));
    weighted -= static_cast<double>(sum(bound).item()) / static_cast<double>(o.weighted);
  }
  std::printf("test: -log p(x) <= %.2f nats with %lld draws, first %lld pictures\n", weighted,
              static_cast<long long>(o.draws), static_cast<long long>(o.weighted));
}

/// Test pictures, their reconstructions, and draws from the prior.
template <class M>
void write_sheet(const M& vae, const Data& data, const Options& o) {
  const Index n = 12;
  const float low = vae.config.likelihood.kind == Likelihood::Kind::bernoulli ? 0.f : -1.f;
  const Tensor<float> x = part_of(data.test, 0, n), c = part_of(data.test_context, 0, n);
  const Tensor<float> made = vae.begin(c, forks(Noise{o.seed}.fork(902), n)).finish();
  const auto rows = grey_to_rgb(concat({x, reconstruct(vae, x, c), made}, 0), low);
  write_png(o.sheet, contact_sheet(rows, {}, {.columns = static_cast<int>(n), .upscale = 2, .padding = 2}));
}

template <class M>
int run(M vae, const Options& o) {
  const Data data = read_data(vae.config);
  EpochSampler batches(data.train.extent(0), o.batch, o.seed);
  const Index steps = o.steps > 0 ? o.steps : o.epochs * data.train.extent(0) / o.batch;
  std::fprintf(stderr, "%lld parameters, %lld steps\n", static_cast<long long>(parameter_count(vae)),
               static_cast<long long>(steps));
  const Interrupt interrupt;
  Trainer<M> trainer(vae, adam(o.rate), {.steps = steps, .seed = o.seed, .checkpoint = o.folder, .items = o.batch});
  go_on(program, trainer);
  TwinFile twin(o.twin, "vae", trainer);
  const TrainEnd end = trainer.run(
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        using X = decltype(tape.constant(data.train));
        const X c = data.train_context ? tape.constant(rows_of(data.train_context, items)) : X();
        const Tensor<float> x = rows_of(data.train, items);
        twin.see(at, "x", x);
        if (!o.twin.empty()) twin.see(at, "e", net.prior(forks(at.noise, x.extent(0))));  // what elbo() draws
        return elbo(net, tape.constant(x), at.noise, o.elbo, at.step, c).loss;
      },
      [&](const TrainProgress& p) {
        if (p.step % 100 == 0 || p.step == p.steps) std::fprintf(stderr, "%s\n", to_string(p).c_str());
      },
      interrupt);
  twin.write(trainer);
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  std::printf("trained %lld steps in %.0f s\n", static_cast<long long>(trainer.steps_done()), trainer.seconds());
  evaluate(vae, data, o);
  if (!o.sheet.empty()) write_sheet(vae, data, o);
  if (!o.output.empty())
    save(o.output, vae,
         {{"model", o.conv ? "conv vae" : "mlp vae"},
          {"likelihood", o.vae.likelihood},
          {"latent", std::to_string(o.vae.latent)},
          {"hidden", std::to_string(o.vae.hidden)},
          {"classes", std::to_string(o.vae.classes)},
          {"uniform", std::to_string(o.vae.uniform)}});
  return exit_done;
}

int train_vae(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains a variational autoencoder on Fashion-MNIST.");
  cli.flag("--conv", o.conv, "convolutions (32 and 64 channels) instead of dense layers");
  cli.option("--likelihood", o.vae.likelihood, "bernoulli (default), gaussian or logistic");
  cli.option("--latent", o.vae.latent, "numbers of a latent (default 20)", 1, 4096);
  cli.option("--hidden", o.vae.hidden, "width of the dense layer (default 400)", 1, 65536);
  cli.flag("--classes", o.vae.classes, "condition on the class");
  cli.flag("--uniform", o.vae.uniform, "a uniform prior instead of a normal one");
  cli.option("--beta", o.elbo.beta, "weight of the KL (default 1)", 0, 1000);
  cli.option("--warmup", o.elbo.warmup, "steps in which that weight grows from 0 (default 0)", 0, 10000000);
  cli.option("--free-nats", o.elbo.free_nats, "a dimension's KL that costs nothing (default 0)", 0, 100);
  cli.option("--epochs", o.epochs, "times that every picture is seen (default 10)", 1, 10000);
  cli.option("--steps", o.steps, "training steps, instead of --epochs", 1, 100000000);
  cli.option("--batch", o.batch, "pictures a step (default 128)", 1, 60000);
  cli.option("--rate", o.rate, "Adam's learning rate (default 0.001)", 0, 1);
  cli.option("--draws", o.draws, "of the importance-weighted bound; 1: leave it out (default 50)", 1, 10000);
  cli.option("--weighted", o.weighted, "test pictures it is taken over (default 1000)", 0, 10000);
  cli.option("--seed", o.seed, "of weights, order and noise (default 1)");
  cli.option("--folder", o.folder, "where checkpoints go, and a run goes on from");
  cli.option("--output", o.output, "the trained weights");
  cli.option("--twin", o.twin, TwinFile::help + std::string("; with the plain bound only"));
  cli.option("--sheet", o.sheet, "a PNG of test pictures, their reconstructions and draws from the prior");
  cli.option("--threads", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  const bool plain = o.vae.likelihood == "bernoulli" && !o.vae.classes && !o.vae.uniform && o.elbo.beta == 1 &&
                     o.elbo.warmup == 0 && o.elbo.free_nats == 0;
  if (!o.twin.empty() && !plain)
    throw argument_error(
        "--twin knows the plain bound only: a bernoulli likelihood, a normal prior, no classes, --beta 1, no --warmup, "
        "no --free-nats");
  Rng rng(o.seed);
  const VaeConfig config = fashion_vae(o.vae);
  return o.conv ? run(ConvVae<float>(config, rng), o) : run(MlpVae<float>(config, rng), o);
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_vae, argc, argv); }

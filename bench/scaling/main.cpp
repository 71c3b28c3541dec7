// What scaling.py runs: how speed and memory grow with threads, batch, length, width and context.
//
//   scaling peak SECONDS                                   fma's of all threads at once, GFLOP/s
//   scaling read SECONDS                                   memory read by all threads, GB/s
//   scaling train BATCH LENGTH WIDTH LAYERS SECONDS        a GPT's training step: token/s, peak memory in MB, parameters
//   scaling write CONTEXT WIDTH LAYERS SECONDS             units it writes a second when it looks back on so many
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/train/optimizer.hpp>

#include "bench/rate.hpp"

using namespace tessera;

namespace {

constexpr Index vocabulary = 256;

void peak(double seconds) {
  using P = kernel::Pack<float>;
  constexpr Index chains = 12, rounds = 1 << 16;
  const Index tasks = 8;
  Tensor<float> sums(Shape{tasks, P::width});
  const double each = bench::rate(seconds, [&] {
    float* const to = sums.data();
    kernel::parallel_for(tasks, 1, [&](Index begin, Index end) {
      for (Index t = begin; t < end; ++t) {
        P sum[chains];
        for (P& s : sum) s = P(0.0F);
        const P a = P(1.0F) + P(static_cast<float>(t)), b(1e-9F);
        for (Index i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
          for (Index c = 0; c < chains; ++c) sum[c] = fma(a, b, sum[c]);
        }
        for (Index c = 1; c < chains; ++c) sum[0] += sum[c];
        sum[0].store(to + t * P::width);
      }
    });
  });
  std::printf("%.4g\n", each * static_cast<double>(2 * tasks * rounds * chains * P::width) * 1e-9);
}

void read(double seconds) {
  const Tensor<float> numbers(Shape{Index{1} << 27}, 1.F);  // written: fresh pages would all be the one page of zeros
  Tensor<float> sum(Shape{1});
  const double each = bench::rate(seconds, [&] { *sum.data() = kernel::sum(numbers.size(), numbers.data()); });
  std::printf("%.4g\n", each * static_cast<double>(numbers.size() * Index{sizeof(float)}) * 1e-9);
}

Tensor<std::int32_t> some_units(const Shape& shape, const Noise& noise) {
  Tensor<std::int32_t> units(shape);
  for (Index i = 0; i < units.size(); ++i)
    units.data()[i] = static_cast<std::int32_t>(noise.below(vocabulary, static_cast<std::uint64_t>(i)));
  return units;
}

GptConfig config(Index context, Index width, Index layers) {
  return {.vocabulary = vocabulary, .context = context, .layers = layers, .heads = width / 64, .width = width};
}

void train(Index batch, Index length, Index width, Index layers, double seconds) {
  Rng rng(1);
  Gpt<float> net(config(length, width, layers), rng);
  Optimizer<float> optimizer(adamw(1e-4));
  const auto x = some_units({batch, length}, Noise{1}), y = some_units({batch, length}, Noise{2});
  const double rate = bench::rate(seconds, [&] {
    Tape<Tensor<float>> tape;
    tape.backward(cross_entropy(net(tape.ids(x)), y));
    Gradients<float> gradients;
    gradients.add(net, tape);
    optimizer.step(net, gradients);
  });
  rusage used;
  ::getrusage(RUSAGE_SELF, &used);
  std::printf("%.5g %.0f %lld\n", rate * static_cast<double>(batch * length),
              static_cast<double>(used.ru_maxrss) / 1024, static_cast<long long>(parameter_count(net)));
}

void write(Index context, Index width, Index layers, double seconds) {
  Rng rng(1);
  const GptDecoder model(Gpt<float>(config(context + 16, width, layers), rng));
  std::vector<Unit> before;
  for (Index i = 0; i < context; ++i) before.push_back(static_cast<Unit>(i * 31 % vocabulary));
  auto state = model.begin(before);
  const double rate = bench::rate(seconds, [&] {
    for (Index i = 0; i < 8; ++i) model.next(state, static_cast<Unit>(i));
    model.rewind(state, 8);
  });
  std::printf("%.5g\n", 8 * rate);
}

}  // namespace

int main(int argc, char** argv) {
  const auto is = [&](const char* name, int count) { return argc == count + 2 && std::strcmp(argv[1], name) == 0; };
  const auto number = [&](int i) { return static_cast<Index>(std::atoll(argv[i])); };
  if (is("peak", 1))
    peak(std::atof(argv[2]));
  else if (is("read", 1))
    read(std::atof(argv[2]));
  else if (is("train", 5))
    train(number(2), number(3), number(4), number(5), std::atof(argv[6]));
  else if (is("write", 4))
    write(number(2), number(3), number(4), std::atof(argv[5]));
  else
    return std::fprintf(stderr, "scaling peak | read | train | write, as bench/scaling/main.cpp says\n"), 2;
}

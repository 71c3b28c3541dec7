// Trains the picture model of examples/paint on the emoji that install from Debian: flow matching, a U-Net, a text encoder, names
// in English and Chinese. Stops with Ctrl-C, goes on where it stopped.
//
//   build/examples/train_paint --steps 12000 --folder run/ --output paint.safetensors
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/io/png.hpp>
#include <tessera/train/checkpoint.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/sampler.hpp>
#include <tessera/train/state.hpp>
#include <tessera/unit/token_learn.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/emoji.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

struct Options {
  Index steps = 10000, hold = 7500, even = 2850, batch = 64, sample_every = 500, save_every = 500;
  double rate = 1.5e-3, ema = 0.999, decay = 0.01, drop = 0.1;
  std::uint64_t seed = 1;
  std::string folder = "run", output = "paint.safetensors";
};

using Net = TextUNet<float>;

/// After the first `even` steps a picture is drawn with weight 1 / sqrt(pictures of the same base name): what comes in one form
/// only (a pizza) needs to be seen more often than the fifth skin tone of a runner.
class BalancedDraw {
 public:
  BalancedDraw(const std::vector<Emoji>& items, const std::vector<int>& train, std::uint64_t seed) : noise_(Noise{seed}.fork(78)) {
    std::map<std::string, int> forms;
    for (const int i : train) ++forms[items[static_cast<std::size_t>(i)].base];
    double sum = 0;
    for (const int i : train) up_to_.push_back(sum += 1 / std::sqrt(static_cast<double>(forms[items[static_cast<std::size_t>(i)].base])));
  }
  Tensor<Index> operator()(Index step, Index batch) const {
    Tensor<Index> items(Shape{batch});
    for (Index k = 0; k < batch; ++k) {
      const double at = noise_.unit(static_cast<std::uint64_t>(step * batch + k)) * up_to_.back();
      const auto found = std::upper_bound(up_to_.begin(), up_to_.end(), at);
      items.data()[k] = std::min(static_cast<Index>(found - up_to_.begin()), static_cast<Index>(up_to_.size()) - 1);
    }
    return items;
  }

 private:
  Noise noise_;
  std::vector<double> up_to_;
};

/// Without the columns that are padding in every row.
Tensor<std::int32_t> trimmed(const Tensor<std::int32_t>& ids) {
  Index used = 2;
  for (Index i = 0; i < ids.size(); ++i) {
    if (ids[i] != 0) used = std::max(used, i % ids.cols() + 1);
  }
  return slice(ids, 1, 0, used);
}

Safetensors snapshot(const Net& net, const Ema<Net>& ema, const Optimizer<float>& optimizer, Index step, const std::vector<float>& losses) {
  Safetensors file;
  put(file, net, "model");
  put(file, ema, "ema");
  put(file, optimizer, net);
  file.metadata["step"] = std::to_string(step);
  file.put("losses", Tensor<float>::from({static_cast<Index>(losses.size())}, std::span<const float>(losses)));
  return file;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string k = argv[i], v = argv[i + 1];
    if (k == "--steps") o.steps = std::atoll(v.c_str());
    else if (k == "--hold") o.hold = std::atoll(v.c_str());
    else if (k == "--even") o.even = std::atoll(v.c_str());
    else if (k == "--batch") o.batch = std::atoll(v.c_str());
    else if (k == "--rate") o.rate = std::atof(v.c_str());
    else if (k == "--seed") o.seed = static_cast<std::uint64_t>(std::atoll(v.c_str()));
    else if (k == "--folder") o.folder = v;
    else if (k == "--output") o.output = v;
    else if (k == "--sample-every") o.sample_every = std::atoll(v.c_str());
    else if (k == "--save-every") o.save_every = std::atoll(v.c_str());
  }
  const EmojiSet set = read_emoji({.side = 32, .flags = false});
  const Split split = split_emoji(set.items);
  const Captions captions(set.items);
  const Tokenizer tokenizer = learn_tokens(captions.corpus(), 2048);
  Tensor<float> pictures(set.pictures.shape());
  for (Index i = 0; i < pictures.size(); ++i) pictures.data()[i] = static_cast<float>(set.pictures[i]) / 127.5f - 1;
  const Index each = 32 * 32 * 3;

  TextUNetConfig config;
  config.text.vocabulary = 2048;
  Rng rng(o.seed);
  Net net(config, rng);
  Ema<Net> ema(net, o.ema);
  Optimizer<float> optimizer({.rate = o.rate, .beta2 = 0.99, .decay = o.decay});
  const Schedule schedule{.decay = Decay::linear, .warmup = 300, .hold = o.hold, .total = o.steps, .floor = 0.02};
  EpochSampler sampler(static_cast<Index>(split.train.size()), o.batch, o.seed);
  const BalancedDraw balanced(set.items, split.train, o.seed);
  const Noise noise = Noise{o.seed}.fork(77);
  std::vector<float> losses;
  Index step = 0;
  const CheckpointFolder folder(o.folder, 2);
  if (auto found = folder.newest(); found.newest) {
    get(found.newest->file, net, "model");
    get(found.newest->file, ema, "ema");
    get(found.newest->file, optimizer, net);
    step = found.newest->step;
    const auto l = found.newest->file.get<float>("losses");
    losses.assign(l.data(), l.data() + l.size());
    std::printf("resumed at step %lld\n", static_cast<long long>(step));
  }
  std::printf("%zu pictures to learn, %zu held out, %lld parameters\n", split.train.size(), split.held_out.size(), static_cast<long long>(parameter_count(net)));
  const char* prompts[] = {"red heart", "狗", "woman running: dark skin tone", "pizza", "crying face", "貓臉", "rocket", "蘋果", "waving hand: light skin tone", "sun", "雪人", "blue circle", "man farmer: medium skin tone", "鬱金香", "house", "bicycle"};
  const auto sample = [&](const std::string& path) {
    TextToImage model{config, tokenizer, std::make_shared<Net>(ema.average())};
    std::vector<std::string> texts(std::begin(prompts), std::end(prompts));
    std::vector<Noise> noises;
    for (std::size_t i = 0; i < texts.size(); ++i) noises.push_back(Noise{42}.fork(i));
    const Tensor<float> made = model.begin(texts, noises, {.steps = 20}).finish();
    Tensor<float> sheet({4 * 4 * 32, 4 * 4 * 32, 3});
    float* to = sheet.data();
    for (Index y = 0; y < 512; ++y)
      for (Index x = 0; x < 512; ++x)
        for (Index c = 0; c < 3; ++c)
          to[(y * 512 + x) * 3 + c] = made[(((y / 128) * 4 + x / 128) * 32 + y % 128 / 4) * 96 + x % 128 / 4 * 3 + c];
    write_png(path, sheet);
  };
  Interrupt interrupt;
  auto last = std::chrono::steady_clock::now();
  Index last_step = step;
  double smooth = 0;
  while (step < o.steps && !interrupt()) {
    const Noise at = noise.fork(static_cast<std::uint64_t>(step));
    const Tensor<Index> items = step < o.even ? sampler(step) : balanced(step, o.batch);
    Tensor<float> clean({o.batch, 32, 32, 3});
    std::vector<std::string> texts;
    for (Index i = 0; i < o.batch; ++i) {
      const int item = split.train[static_cast<std::size_t>(items[i])];
      std::memcpy(clean.data() + i * each, std::as_const(pictures).data() + item * each, static_cast<std::size_t>(each) * 4);
      texts.push_back(at.unit(static_cast<std::uint64_t>(i)) < o.drop ? "" : captions.draw(item, at.bits(static_cast<std::uint64_t>(i))));
    }
    const Tensor<std::int32_t> ids = trimmed(tokenizer.encode(std::span<const std::string>(texts), config.text.length));
    Tape<Tensor<float>> tape;
    const auto batch = flow_matching_batch(clean, at, {.mean = 0.5, .deviation = 1.2});
    const auto context = net.text(tape.ids(ids));
    const auto loss = mse(net(tape.constant(batch.x), batch.t, context), batch.velocity);
    tape.backward(loss);
    Gradients<float> gradients;
    gradients.add(net, tape);
    const double norm = gradients.clip_norm(1);
    optimizer.step(net, gradients, schedule(step));
    ema.update(net);
    const double l = static_cast<double>(loss.value().item());
    losses.push_back(static_cast<float>(l));
    ++step;
    smooth = smooth == 0 ? l : 0.99 * smooth + 0.01 * l;
    if (step % 50 == 0) {
      const auto now = std::chrono::steady_clock::now();
      const double s = std::chrono::duration<double>(now - last).count();
      std::printf("step %lld  epoch %.1f  loss %.4f  norm %.3f  rate %.2e  %.1f img/s\n", static_cast<long long>(step), sampler.epoch(step), smooth, norm,
                  o.rate * schedule(step), static_cast<double>((step - last_step) * o.batch) / s);
      std::fflush(stdout);
      last = now;
      last_step = step;
    }
    if (step % o.sample_every == 0) sample(o.folder + "/sample-" + std::to_string(step) + ".png");
    if (step % o.save_every == 0) folder.write(step, snapshot(net, ema, optimizer, step, losses));
  }
  folder.write(step, snapshot(net, ema, optimizer, step, losses));
  to_file(TextToImage{config, tokenizer, std::make_shared<Net>(ema.average())}).write(o.output);
  return step < o.steps ? 130 : 0;
}

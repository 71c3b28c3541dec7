// Networks that denoise: the U-Net of DDPM at batch 1 and 16, DiT-S/2 at batch 1, one step of it each.
#include <tessera/nn/save.hpp>

#include "bench/generation/subject.hpp"
#include "bench/steps/dit.hpp"
#include "bench/unet.hpp"

namespace generation {
namespace {

using bench_nets::Ddpm;
using bench_nets::Dit;

/// Random weights; branches that start at zero get some too.
template <class Net>
void save(Safetensors& file) {
  Rng rng(1);
  Net net(rng);
  for_each_parameter(
      net, [&](const std::string&, auto& p) { p.value = p.value + init::normal<float>(p.value.shape(), 0.01, rng); });
  put(file, net, "net");
  file.put("x", Noise{2}.normal<float>({16, 32, 32, std::is_same_v<Net, Dit> ? 4 : 3}));
  file.put("t", Noise{4}.normal<float>({16, std::is_same_v<Net, Dit> ? 256 : Ddpm::base}));
}

template <class Net>
std::shared_ptr<const Net> loaded(const Safetensors& file) {
  Rng rng(1);
  auto net = std::make_shared<Net>(rng);
  get(file, *net, "net");
  return net;
}

Subject unet(const Safetensors& file, Index batch) {
  const auto net = loaded<Ddpm>(file);
  const Tensor<float> x = slice(file.get<float>("x"), 0, 0, batch), t = slice(file.get<float>("t"), 0, 0, batch);
  return {[=] { return (*net)(x, t); }, [=] { (*net)(x, t); }};
}

Subject dit(const Safetensors& file) {
  const auto net = loaded<Dit>(file);
  const Tensor<float> x = patchify(slice(file.get<float>("x"), 0, 0, 1), 2).reshaped({1, Dit::tokens, 16}),
                      t = slice(file.get<float>("t"), 0, 0, 1);
  const Tensor<std::int32_t> label(Shape{1}, 3);
  return {[=] { return (*net)(x, t, label); }, [=] { (*net)(x, t, label); }};
}

}  // namespace

std::vector<Entry> pictures() {
  return {{"unet_1", "picture/s", 1, "unet", save<Ddpm>, [](const Safetensors& f) { return unet(f, 1); }},
          {"unet_16", "picture/s", 16, "unet", save<Ddpm>, [](const Safetensors& f) { return unet(f, 16); }},
          {"dit_1", "picture/s", 1, "dit", save<Dit>, dit}};
}

}  // namespace generation

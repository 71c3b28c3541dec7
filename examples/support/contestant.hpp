// What a model of pictures has to do to take part in examples/compare, whatever its family: learn for a given time and
// draw what it is asked for. One file a family, support/contestants/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "examples/support/contest.hpp"

namespace tessera::examples {

class Contestant {
 public:
  virtual ~Contestant() = default;

  /// Conditions of N pictures -> [N, H, W, C] in [-1, 1], picture i from noise.fork(i).
  virtual Tensor<float> draw(const Tensor<std::int32_t>& conditions, const Noise& noise) const = 0;
  /// Bits a number of the pictures, or a bound of them; nothing where there is no likelihood.
  virtual std::optional<double> bits(const Captioned&, const Noise&) const { return {}; }

  Index parameters = 0;
  Index passes = 1;         // of the network, for one picture
  Index steps = 0;          // of training
  std::string remark = {};  // on the likelihood
};

struct Family {
  std::string name;
  /// Learns, and hands over what has learned.
  std::unique_ptr<Contestant> (*learn)(const Contest&);
};

// Of pictures by class or by text.
std::unique_ptr<Contestant> learn_independent(const Contest&);
std::unique_ptr<Contestant> learn_vae(const Contest&);
std::unique_ptr<Contestant> learn_vae_gan(const Contest&);
std::unique_ptr<Contestant> learn_gan(const Contest&);  // by text: its critic also judges whether the two match
// By class.
std::unique_ptr<Contestant> learn_mixture(const Contest&);
std::unique_ptr<Contestant> learn_glow(const Contest&);
std::unique_ptr<Contestant> learn_glow_gan(const Contest&);
std::unique_ptr<Contestant> learn_diffusion(const Contest&);
std::unique_ptr<Contestant> learn_few_steps(const Contest&);  // the same, drawing in four passes
std::unique_ptr<Contestant> learn_few_steps_gan(const Contest&);
std::unique_ptr<Contestant> learn_gpt(const Contest&);
// By text.
std::unique_ptr<Contestant> learn_gan_unmatched(const Contest&);  // its critic sees no mismatched pairs
std::unique_ptr<Contestant> learn_painter(const Contest&);        // diffusion, as examples/paint does it

}  // namespace tessera::examples

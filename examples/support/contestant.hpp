// What examples/compare asks of a model of Fashion-MNIST, whatever its family: to learn for a given time and to draw
// pictures of classes. One file a family, support/contestants/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tessera/core/noise.hpp>

#include "examples/support/fashion.hpp"

namespace tessera::examples {

/// What all of them are given.
struct Contest {
  Fashion train, test;
  double seconds = 60;  // of processor time to learn in
  Index tested = 500;   // test pictures for the likelihood
  std::uint64_t seed = 1;
};

class Contestant {
 public:
  virtual ~Contestant() = default;

  /// Labels [N] -> pictures [N, 28, 28, 1] in [-1, 1], picture i from noise.fork(i).
  virtual Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const = 0;
  /// Bits a pixel of the first `tested` test pictures, or a bound of them; nothing where there is no likelihood.
  virtual std::optional<double> bits(const Contest&) const { return {}; }

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

std::unique_ptr<Contestant> learn_independent(const Contest&);
std::unique_ptr<Contestant> learn_mixture(const Contest&);
std::unique_ptr<Contestant> learn_vae(const Contest&);
std::unique_ptr<Contestant> learn_vae_gan(const Contest&);
std::unique_ptr<Contestant> learn_gan(const Contest&);
std::unique_ptr<Contestant> learn_glow(const Contest&);
std::unique_ptr<Contestant> learn_diffusion(const Contest&);
std::unique_ptr<Contestant> learn_gpt(const Contest&);

/// All of them, in the order of the table.
std::vector<Family> families();

}  // namespace tessera::examples

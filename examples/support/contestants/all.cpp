#include "examples/support/contestant.hpp"

namespace tessera::examples {

std::vector<Family> families() {
  return {{"independent", learn_independent}, {"mixture", learn_mixture}, {"VAE", learn_vae},
          {"VAE-GAN", learn_vae_gan},         {"GAN", learn_gan},         {"Glow", learn_glow},
          {"diffusion", learn_diffusion},     {"GPT", learn_gpt}};
}

}  // namespace tessera::examples

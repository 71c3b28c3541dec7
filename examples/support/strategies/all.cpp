#include "examples/support/strategy.hpp"

namespace tessera::examples {

std::vector<Strategy> strategies() {
  return {{"autoregressive", draw_autoregressive},
          {"independent", draw_independent},
          {"  + a shared latent (VAE)", draw_latent},
          {"  + distilled from AR", draw_distilled},
          {"mixture of Gaussians", draw_mixture},
          {"flow", draw_flow},
          {"diffusion", draw_diffusion},
          {"GAN", draw_gan}};
}

}  // namespace tessera::examples

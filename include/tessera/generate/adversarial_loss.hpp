// What the two sides of an adversarial game minimise, as functions of scores: r of real objects, f of made ones.
//
//                    critic                                  maker
//   non_saturating   mean softplus(-r) + mean softplus(f)    mean softplus(-f)    Goodfellow et al., 2014, 1406.2661
//   hinge            mean relu(1 - r) + mean relu(1 + f)     -mean f              Lim and Ye, 2017, 1705.02894
//   least_squares    mean (r - 1)^2 / 2 + mean f^2 / 2       mean (f - 1)^2 / 2   Mao et al., 2016, 1611.04076
//   wasserstein      mean f - mean r                         -mean f              Arjovsky et al., 2017, 1701.07875
// (the numbers are arXiv's)
//
// The Wasserstein loss is one only for critics of bounded slope: add a gradient penalty or spectral norms. `reject` and
// `accept` are the two halves item by item; a critic of matching gives rejects to mismatched real pairs too.
#pragma once

#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/softplus.hpp>

namespace tessera::inline TESSERA_ISA {

enum class AdversarialLoss { non_saturating, hinge, least_squares, wasserstein };

/// The critic's loss for items it should call real, [B].
template <Value X>
X accept(AdversarialLoss loss, const X& score) {
  using T = ScalarOf<X>;
  switch (loss) {
    case AdversarialLoss::hinge:
      return relu(T(1) - score);
    case AdversarialLoss::least_squares:
      return square(score - T(1)) * T(0.5);
    case AdversarialLoss::wasserstein:
      return -score;
    case AdversarialLoss::non_saturating:
      break;
  }
  return softplus(-score);
}
/// The critic's loss for items it should call made, [B].
template <Value X>
X reject(AdversarialLoss loss, const X& score) {
  using T = ScalarOf<X>;
  switch (loss) {
    case AdversarialLoss::hinge:
      return relu(score + T(1));
    case AdversarialLoss::least_squares:
      return square(score) * T(0.5);
    case AdversarialLoss::wasserstein:
      return score * T(1);
    case AdversarialLoss::non_saturating:
      break;
  }
  return softplus(score);
}
/// The maker's loss for what it made, [B].
template <Value X>
X persuade(AdversarialLoss loss, const X& score) {
  if (loss == AdversarialLoss::hinge || loss == AdversarialLoss::wasserstein) return -score;
  return accept(loss, score);
}

/// Has the critic said it so clearly that its own loss hardly pulls any more? A made item of which this is true teaches
/// the maker of a saturating loss nothing. Never for the Wasserstein loss.
inline bool settled(AdversarialLoss loss, double score, bool real) {
  constexpr double sure = 4.595;  // log 99: 99 % by the logistic function
  switch (loss) {
    case AdversarialLoss::hinge:
      return real ? score > 1 : score < -1;
    case AdversarialLoss::least_squares:
      return real ? score > 0.9 && score < 1.1 : score > -0.1 && score < 0.1;
    case AdversarialLoss::wasserstein:
      return false;
    case AdversarialLoss::non_saturating:
      break;
  }
  return real ? score > sure : score < -sure;
}

}  // namespace tessera::inline TESSERA_ISA

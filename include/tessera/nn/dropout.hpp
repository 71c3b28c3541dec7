// The dropout of one forward pass (Srivastava et al., 2014). A network calls it wherever numbers may be dropped; the n-th call
// draws from noise.fork(n). The one made without arguments drops nothing and costs nothing: what generation uses.
#pragma once

#include <tessera/autodiff/op/dropout.hpp>

namespace tessera::inline TESSERA_ISA {

class Dropout {
 public:
  Dropout() = default;
  /// share in [0, 1): how many of the numbers become zero.
  Dropout(double share, const Noise& noise) : share_(share), noise_(noise) {}

  template <Value X>
  X operator()(X x) {
    return share_ > 0 ? dropout(x, share_, noise_.fork(next_++)) : x;
  }

 private:
  double share_ = 0;
  Noise noise_ = Noise{0};
  std::uint64_t next_ = 0;
};

}  // namespace tessera::inline TESSERA_ISA

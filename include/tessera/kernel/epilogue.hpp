// What a product does to its numbers before they leave: bias, activation, residual, scale, and any chain of these.
//
// An epilogue is called with a register that holds `lanes` valid numbers of row `row`, columns col, col + 1, ...; it
// may read that row and those columns of anything else (load_lanes). It sees every number of C once, after the last k.
#pragma once

#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// `lanes` numbers at p, zero in the other lanes.
template <class T>
[[gnu::always_inline]] inline Pack<T> load_lanes(const T* p, Index lanes) {
  return lanes >= lanes_of<T> ? Pack<T>::load(p) : load_some<T>(p, lanes);
}
template <class T>
[[gnu::always_inline]] inline void store_lanes(T* p, Pack<T> x, Index lanes) {
  if (lanes >= lanes_of<T>)
    x.store(p);
  else
    store_some<T>(p, x, lanes);
}

struct Identity {
  template <class T>
  [[gnu::always_inline]] Pack<T> operator()(Pack<T> x, Index, Index, Index) const {
    return x;
  }
};

/// x + bias[col]
template <class T>
struct AddBias {
  const T* bias;
  [[gnu::always_inline]] Pack<T> operator()(Pack<T> x, Index, Index col, Index lanes) const {
    return x + load_lanes<T>(bias + col, lanes);
  }
};

/// factor x
template <class T>
struct Scale {
  T factor;
  [[gnu::always_inline]] Pack<T> operator()(Pack<T> x, Index, Index, Index) const { return x * Pack<T>(factor); }
};

/// x + residual[row, col]
template <class T>
struct AddResidual {
  const T* residual;
  Index stride;
  [[gnu::always_inline]] Pack<T> operator()(Pack<T> x, Index row, Index col, Index lanes) const {
    return x + load_lanes<T>(residual + row * stride + col, lanes);
  }
};

/// function(x), for a function of a pack
template <class Function>
struct Activate {
  Function function;
  template <class T>
  [[gnu::always_inline]] Pack<T> operator()(Pack<T> x, Index, Index, Index) const {
    return function(x);
  }
};

/// second(first(x))
template <class First, class Second>
struct Then {
  First first;
  Second second;
  template <class T>
  [[gnu::always_inline]] Pack<T> operator()(Pack<T> x, Index row, Index col, Index lanes) const {
    return second(first(x, row, col, lanes), row, col, lanes);
  }
};

/// then(a, b, c): c(b(a(x)))
template <class First, class Second>
Then<First, Second> then(First first, Second second) {
  return Then<First, Second>{first, second};
}
template <class First, class Second, class... More>
auto then(First first, Second second, More... more) {
  return then(Then<First, Second>{first, second}, more...);
}

/// function(x + bias[col])
template <class T, class Function>
Then<AddBias<T>, Activate<Function>> bias_then(const T* bias, Function function) {
  return {AddBias<T>{bias}, Activate<Function>{function}};
}

}  // namespace tessera::inline TESSERA_ISA::kernel

// error: Tensor holds plain numbers
#include <tessera/core/tensor.hpp>

struct Named {
  ~Named() {}
};

#ifdef MUST_FAIL
using Element = Named;
#else
using Element = float;
#endif

int main() { return static_cast<int>(tessera::Tensor<Element>(tessera::Shape{2}).size()) - 2; }

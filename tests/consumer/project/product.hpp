// One computation in two instruction sets: each translation unit compiles the same templates with its own flags.
#pragma once

#include <tessera/tessera.hpp>

namespace consumer {

// Built in other.cpp, for another -march than main.cpp. A Tensor may cross: its layout is the same in both.
tessera::Tensor<float> product_elsewhere(const tessera::Tensor<float>& a, const tessera::Tensor<float>& b);
int width_elsewhere();

}  // namespace consumer

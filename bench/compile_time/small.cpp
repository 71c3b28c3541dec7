// The headers that a small program with a network of its own includes.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/tape.hpp>
#include <tessera/core/noise.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/nn/module.hpp>

int main() {}

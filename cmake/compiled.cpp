// tessera::compiled: what most programs use of the library in single precision, made once. In every other file of such a
// program TESSERA_INSTANCE is `extern`, and those templates are only declared there.

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/autodiff/op/attention.hpp>
#include <tessera/autodiff/op/conv.hpp>
#include <tessera/autodiff/op/erf.hpp>
#include <tessera/autodiff/op/exp.hpp>
#include <tessera/autodiff/op/gated.hpp>
#include <tessera/autodiff/op/gather.hpp>
#include <tessera/autodiff/op/gelu.hpp>
#include <tessera/autodiff/op/log.hpp>
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/norm.hpp>
#include <tessera/autodiff/op/permute.hpp>
#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/reduce.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/resize.hpp>
#include <tessera/autodiff/op/rotary.hpp>
#include <tessera/autodiff/op/sigmoid.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/sin.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autodiff/op/softplus.hpp>
#include <tessera/autodiff/op/sqrt.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/autodiff/op/upsample.hpp>
#include <tessera/io/safetensors.hpp>
#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/philox.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/optimizer.hpp>
#include <tessera/train/state.hpp>

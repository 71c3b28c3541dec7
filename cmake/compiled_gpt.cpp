// The part of tessera::compiled that writes: a GPT's decoder, over the operations that compiled.cpp holds.
#undef TESSERA_INSTANCE
#define TESSERA_INSTANCE extern
#include <tessera/autoregressive/gpt.hpp>
#include <tessera/nn/save.hpp>
#undef TESSERA_INSTANCE
#define TESSERA_INSTANCE
#include <tessera/autoregressive/gpt_decoder.hpp>

// Names only, for headers that mention the library's types without using them.
#pragma once

#include <cstdint>
#include <tessera/kernel/isa.hpp>

namespace tessera {

class Shape;
template <class T>
class Tensor;
class Noise;
struct Rng;
class Tokenizer;
class Safetensors;
struct error;
struct shape_error;
struct argument_error;
struct io_error;
struct number_error;

}  // namespace tessera

namespace tessera::inline TESSERA_ISA {

template <class V>
class Tape;
template <class V>
class Var;
template <class T>
struct Parameter;
template <class T>
struct Linear;
template <class T>
struct Conv2d;
template <class T>
struct Attention;
template <class T>
struct TransformerBlock;
template <class T>
struct UNet;
template <class T>
class Optimizer;
template <class T>
struct BasicTextToImage;
using TextToImage = BasicTextToImage<float>;

}  // namespace tessera::inline TESSERA_ISA

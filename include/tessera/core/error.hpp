// Typed errors. Every message says what was seen, what was wanted and, where it helps, how to mend it.
// They are independent of the instruction set, so a catch clause works across translation units built with other flags.
#pragma once

#include <stdexcept>
#include <string>

namespace tessera {

/// Base of everything the library throws on purpose.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Shapes that do not fit an operation: `matmul: inner extents differ: [2, 3] x [4, 5]`.
struct shape_error : error {
  using error::error;
};

/// A value outside its range or a combination that makes no sense.
struct argument_error : error {
  using error::error;
};

/// A file (or stream) that cannot be read, written or trusted; names file, field, expected and found.
struct io_error : error {
  using error::error;
};

/// NaN or infinity where a finite number is needed; names the tensor.
struct number_error : error {
  using error::error;
};

}  // namespace tessera

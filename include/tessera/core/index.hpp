// The one signed integer type for extents, strides and offsets.
#pragma once

#include <cstdint>

namespace tessera {

using Index = std::int64_t;

}  // namespace tessera

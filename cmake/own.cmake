# How our own tests, benchmarks and examples are compiled. Nothing here reaches a user of the library.
option(TESSERA_NATIVE "Compile our programs for this machine's instruction set (-march=native)" ${PROJECT_IS_TOP_LEVEL})
option(TESSERA_WERROR "Treat warnings in our own code as errors" ${PROJECT_IS_TOP_LEVEL})
set(TESSERA_OPTIMIZE "-O2" CACHE STRING "How our programs are optimised; every figure in the README is of -O2")
set(TESSERA_SANITIZE "" CACHE STRING "Sanitizers for our programs, such as address,undefined")

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release)
  endif()
  set(CMAKE_CXX_FLAGS_RELEASE "${TESSERA_OPTIMIZE} -DNDEBUG")
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
  set(CMAKE_CXX_EXTENSIONS OFF)
  find_program(CCACHE ccache)
  mark_as_advanced(CCACHE)
  if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Paths relative to the checkout: what one checkout has compiled serves all others.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  endif()
endif()

# Linked by every program of ours.
add_library(tessera_own INTERFACE)
target_link_libraries(tessera_own INTERFACE tessera::tessera)
target_include_directories(tessera_own INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(tessera_own INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  $<$<BOOL:${TESSERA_WERROR}>:-Werror> $<$<BOOL:${TESSERA_NATIVE}>:-march=native>)
if(TESSERA_SANITIZE)
  set(sanitize -fsanitize=${TESSERA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(tessera_own INTERFACE ${sanitize})
  target_link_options(tessera_own INTERFACE ${sanitize})
endif()

# The optional parts that are here, all at once: our programs use any of them.
add_library(tessera_components INTERFACE)
foreach(component IN LISTS tessera_all_components)
  if(TARGET tessera::${component} AND NOT component STREQUAL compiled)
    target_link_libraries(tessera_components INTERFACE tessera::${component})
  endif()
endforeach()

# tessera::compiled, with the flags of all our programs.
tessera_component(compiled)
target_link_libraries(tessera_compiled PRIVATE tessera_own)

# The optional parts. Most headers need only the standard library; a few stand on another library, and a program that
# includes one of them links the target named here as well:
#
#   tessera::png       io/png.hpp          libspng
#   tessera::eigen     core/eigen.hpp      Eigen 3
#   tessera::xtensor   core/xtensor.hpp    xtensor
#   tessera::json      JSON readers        nlohmann-json
#   tessera::utf8proc  Unicode forms       utf8proc
#
# and one needs nothing else: tessera::compiled, a static library of what most programs use in single precision, built with
# the program. With it the program's own files compile two to three times as fast. It holds one instruction set, that of
# the flags in force where this is asked for: files with another -march find nothing in it and fail to link.
#
# Installed, this file serves find_package(tessera COMPONENTS png ...); with add_subdirectory or FetchContent a user sets
# TESSERA_COMPONENTS first; our own build takes all. So it may rely on nothing but tessera::tessera.
set(tessera_all_components png eigen xtensor json utf8proc compiled)
set(tessera_components_dir ${CMAKE_CURRENT_LIST_DIR})

# A target for a library that ships no CMake file of its own.
function(tessera_plain_library target header library)
  find_path(TESSERA_${library}_INCLUDE ${header})
  find_library(TESSERA_${library}_LIBRARY ${library})
  mark_as_advanced(TESSERA_${library}_INCLUDE TESSERA_${library}_LIBRARY)
  if(TESSERA_${library}_INCLUDE AND TESSERA_${library}_LIBRARY AND NOT TARGET ${target})
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} INTERFACE ${TESSERA_${library}_INCLUDE})
    target_link_libraries(${target} INTERFACE ${TESSERA_${library}_LIBRARY})
  endif()
endfunction()

# Makes tessera::NAME if its library is found; says nothing if it isn't.
function(tessera_component name)
  if(name STREQUAL compiled)
    if(NOT TARGET tessera::compiled)
      add_library(tessera_compiled STATIC EXCLUDE_FROM_ALL
        ${tessera_components_dir}/compiled.cpp ${tessera_components_dir}/compiled_gpt.cpp)
      target_link_libraries(tessera_compiled PUBLIC tessera::tessera)
      target_compile_definitions(tessera_compiled PRIVATE TESSERA_INSTANCE= INTERFACE TESSERA_INSTANCE=extern)
      add_library(tessera::compiled ALIAS tessera_compiled)
    endif()
    return()
  elseif(name STREQUAL png)
    set(library tessera_spng)
    tessera_plain_library(${library} spng.h spng)
  elseif(name STREQUAL utf8proc)
    set(library tessera_utf8proc)
    tessera_plain_library(${library} utf8proc.h utf8proc)
  elseif(name STREQUAL eigen)
    set(library Eigen3::Eigen)
    find_package(Eigen3 3.4 QUIET CONFIG GLOBAL)
  elseif(name STREQUAL xtensor)
    set(library xtensor)
    find_package(xtensor QUIET CONFIG GLOBAL)
  elseif(name STREQUAL json)
    set(library nlohmann_json::nlohmann_json)
    find_package(nlohmann_json 3.11 QUIET CONFIG GLOBAL)
  else()
    message(WARNING "tessera has no component named ${name}; it has: ${tessera_all_components}")
    return()
  endif()
  if(TARGET ${library} AND NOT TARGET tessera::${name})
    add_library(tessera::${name} INTERFACE IMPORTED GLOBAL)
    target_link_libraries(tessera::${name} INTERFACE tessera::tessera ${library})
  endif()
endfunction()

# cmake -DROOT=DIR -P include_direction.cmake: walks the includes of DIR/include/tessera and fails if
# - an arrow of the tree goes upwards, sideways between families, or round in a circle;
# - an include of <tessera/...> names no file;
# - a header depends on the instruction set (it reaches kernel/isa.hpp) but never opens inline namespace TESSERA_ISA: two
#   translation units with other flags would then clash silently (core/noise.hpp, which opens both, says why it may);
# - a header outside that namespace opens tessera::detail: headers inside it have a detail of their own, and whoever includes
#   the two in the wrong order finds the name ambiguous (io_detail, unit_detail are such headers' names);
# - a header has no #pragma once.
cmake_minimum_required(VERSION 3.24)

# What each folder may include beside itself. A family (any folder not named here) may include all of these, and no
# other family.
set(below_kernel core/index.hpp core/error.hpp core/pool.hpp)  # no tensors
set(below_core kernel)
set(below_autodiff kernel core)
set(below_io kernel core)
set(below_unit kernel core io)
set(below_nn kernel core autodiff unit io)
set(below_train ${below_nn} nn)
set(below_generate ${below_nn} nn)
set(below_family ${below_nn} nn train generate)
set(layers kernel core autodiff io unit nn train generate)
set(above_all tessera.hpp fwd.hpp)  # these two see everything

set(problems)
macro(problem text)
  list(APPEND problems "${text}")
endmacro()

file(GLOB_RECURSE headers RELATIVE ${ROOT}/include/tessera ${ROOT}/include/tessera/*.hpp)
list(LENGTH headers count)
if(count EQUAL 0)
  message(FATAL_ERROR "no header under ${ROOT}/include/tessera")
endif()

foreach(header IN LISTS headers)
  file(STRINGS ${ROOT}/include/tessera/${header} pragma REGEX "^#pragma once")
  if(NOT pragma)
    problem("${header} has no #pragma once")
  endif()

  file(STRINGS ${ROOT}/include/tessera/${header} plain REGEX "^namespace tessera(::detail)?[ \t]*{")
  file(STRINGS ${ROOT}/include/tessera/${header} inside REGEX "^namespace tessera::inline TESSERA_ISA")
  file(STRINGS ${ROOT}/include/tessera/${header} own REGEX "^namespace (tessera::)?detail[ \t]*{")
  if(plain AND own AND NOT inside)
    problem("${header} opens tessera::detail outside TESSERA_ISA: give its helpers a namespace of another name")
  endif()

  set(includes_${header})
  file(STRINGS ${ROOT}/include/tessera/${header} lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]tessera/")
  string(REGEX MATCH "^[^/]*" layer ${header})
  foreach(line IN LISTS lines)
    string(REGEX REPLACE ".*[<\"]tessera/([^>\"]*)[>\"].*" "\\1" target "${line}")
    list(APPEND includes_${header} ${target})
    if(NOT target IN_LIST headers)
      problem("${header} includes ${target}, which does not exist")
    endif()
    string(REGEX MATCH "^[^/]*" target_layer ${target})
    set(allowed ${below_family})
    if(layer IN_LIST layers)
      set(allowed ${below_${layer}})
    endif()
    if(NOT header IN_LIST above_all AND NOT target_layer STREQUAL layer AND NOT target_layer IN_LIST allowed
        AND NOT target IN_LIST allowed)
      list(JOIN allowed ", " below)
      problem("${header} includes ${target}: ${layer} may include only itself and ${below}")
    endif()
  endforeach()
endforeach()

# Depth first, from every header: closes the circle if a header still being visited is met again, and learns on the way
# back who reaches kernel/isa.hpp.
function(visit header path)
  if(header IN_LIST path)
    list(JOIN path " -> " circle)
    set_property(GLOBAL APPEND PROPERTY circles "circle of includes: ${circle} -> ${header}")
    return()
  endif()
  get_property(visited GLOBAL PROPERTY "visited_${header}")
  if(visited)
    return()
  endif()
  set(reaches FALSE)
  if(header STREQUAL kernel/isa.hpp)
    set(reaches TRUE)
  endif()
  list(APPEND path ${header})
  foreach(target IN LISTS includes_${header})
    visit(${target} "${path}")
    get_property(target_reaches GLOBAL PROPERTY "isa_${target}")
    if(target_reaches)
      set(reaches TRUE)
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY "isa_${header}" ${reaches})
  set_property(GLOBAL PROPERTY "visited_${header}" TRUE)
endfunction()

foreach(header IN LISTS headers)
  visit(${header} "")
  get_property(reaches GLOBAL PROPERTY "isa_${header}")
  if(reaches AND NOT header IN_LIST above_all AND NOT header STREQUAL kernel/isa.hpp)
    file(STRINGS ${ROOT}/include/tessera/${header} outside REGEX "^namespace tessera(::[a-z_]+)*[ \t]*{")
    file(STRINGS ${ROOT}/include/tessera/${header} inside REGEX "^namespace tessera::inline TESSERA_ISA")
    if(outside AND NOT inside)
      problem("${header} depends on the instruction set: write 'namespace tessera::inline TESSERA_ISA', not '${outside}'")
    endif()
  endif()
endforeach()
get_property(circles GLOBAL PROPERTY circles)
list(APPEND problems ${circles})

if(problems)
  list(JOIN problems "\n  " text)
  message(FATAL_ERROR "\n  ${text}\n")
endif()
message(STATUS "${count} headers, every arrow downwards")

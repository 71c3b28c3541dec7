# cmake -DWORK=DIR -P include_direction_self_test.cmake: writes small trees, each with one fault, and demands that
# include_direction.cmake finds it; and one tree without, which must pass.
cmake_minimum_required(VERSION 3.24)
set(failures)

# expect(MESSAGE FILE CONTENT [FILE CONTENT]...): the tree of these files on top of a sound one; "" for no fault.
function(expect message)
  file(REMOVE_RECURSE ${WORK})
  file(WRITE ${WORK}/include/tessera/kernel/isa.hpp "#pragma once\nnamespace tessera::inline TESSERA_ISA::kernel {}\n")
  file(WRITE ${WORK}/include/tessera/core/shape.hpp "#pragma once\nnamespace tessera {\n}\n")
  file(WRITE ${WORK}/include/tessera/nn/linear.hpp
    "#pragma once\n#include <tessera/core/shape.hpp>\n#include <tessera/kernel/isa.hpp>\n"
    "namespace tessera::inline TESSERA_ISA {\n}\n")
  set(files ${ARGN})
  while(files)
    list(POP_FRONT files file content)
    file(WRITE ${WORK}/include/tessera/${file} "${content}")
  endwhile()
  execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${WORK} -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/include_direction.cmake
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(message STREQUAL "" AND NOT result EQUAL 0)
    set(failures ${failures} "a sound tree was refused: ${output}" PARENT_SCOPE)
  elseif(NOT message STREQUAL "" AND (result EQUAL 0 OR NOT output MATCHES "${message}"))
    set(failures ${failures} "not found: ${message}\n  output was: ${output}" PARENT_SCOPE)
  endif()
endfunction()

set(pragma "#pragma once\n")
expect("")
expect("" tessera.hpp "${pragma}#include <tessera/nn/linear.hpp>\nnamespace tessera {\n}\n")
expect("" vae/vae.hpp "${pragma}#include <tessera/nn/linear.hpp>\nnamespace tessera::inline TESSERA_ISA {\n}\n")
expect("core/up.hpp includes nn/linear.hpp" core/up.hpp "${pragma}#include <tessera/nn/linear.hpp>\n")
expect("kernel/up.hpp includes core/shape.hpp" kernel/up.hpp "${pragma}#include <tessera/core/shape.hpp>\n")
expect("vae/a.hpp includes gan/b.hpp" vae/a.hpp "${pragma}  #  include \"tessera/gan/b.hpp\"\n" gan/b.hpp "${pragma}")
expect("circle of includes: nn/a.hpp -> nn/b.hpp -> nn/a.hpp"
  nn/a.hpp "${pragma}#include <tessera/nn/b.hpp>\n" nn/b.hpp "${pragma}#include <tessera/nn/a.hpp>\n")
expect("nn/a.hpp includes nn/gone.hpp, which does not exist" nn/a.hpp "${pragma}#include <tessera/nn/gone.hpp>\n")
expect("nn/a.hpp has no #pragma once" nn/a.hpp "int x;\n")
expect("io/a.hpp opens tessera::detail"
  io/a.hpp "${pragma}namespace tessera {\nnamespace detail {\n}\n}\n")
expect("gan/a.hpp depends on the instruction set"
  gan/a.hpp "${pragma}#include <tessera/nn/linear.hpp>\nnamespace tessera {\n}\n")

if(failures)
  list(JOIN failures "\n" text)
  message(FATAL_ERROR "${text}")
endif()

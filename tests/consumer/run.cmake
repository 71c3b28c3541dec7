# Builds and runs the project beside this file by one way (VIA) and one compiler (CXX). Also given: our checkout, SOURCE,
# and its build folder, BUILD; WORK, a folder to work in; LAUNCHER, ccache or nothing; GENERATOR.
cmake_minimum_required(VERSION 3.24)

function(run)
  list(JOIN ARGN " " line)
  message(STATUS "${line}")
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed (${result}): ${line}")
  endif()
endfunction()

# The other translation unit's instruction set: unlike this machine's own, and one that it can run.
execute_process(COMMAND ${CXX} -march=native -dM -E -x c++ /dev/null OUTPUT_VARIABLE macros)
set(other x86-64)
if(macros MATCHES "__AVX512F__")
  set(other x86-64-v3)
endif()

file(REMOVE_RECURSE ${WORK})
set(project ${CMAKE_CURRENT_LIST_DIR}/project)
if(VIA STREQUAL find_package OR VIA STREQUAL pkg_config)
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endif()

if(VIA STREQUAL pkg_config)
  set(ENV{PKG_CONFIG_PATH} ${WORK}/prefix/share/pkgconfig)
  execute_process(COMMAND pkg-config --cflags tessera OUTPUT_VARIABLE cflags COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND pkg-config --libs tessera OUTPUT_VARIABLE libs COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(cflags UNIX_COMMAND "${cflags}")
  separate_arguments(libs UNIX_COMMAND "${libs}")
  set(compile ${LAUNCHER} ${CXX} -std=c++20 ${cflags} -c)
  run(${compile} -march=native ${project}/main.cpp -o ${WORK}/main.o)
  run(${compile} -march=${other} ${project}/other.cpp -o ${WORK}/other.o)
  run(${CXX} ${WORK}/main.o ${WORK}/other.o -o ${WORK}/consumer ${libs})
  run(${WORK}/consumer)
else()
  run(${CMAKE_COMMAND} -S ${project} -B ${WORK}/build -G ${GENERATOR} -DVIA=${VIA} -DTESSERA_SOURCE=${SOURCE}
    -DOTHER_ARCH=${other} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
    -DCMAKE_PREFIX_PATH=${WORK}/prefix)
  run(${CMAKE_COMMAND} --build ${WORK}/build)
  run(${WORK}/build/consumer)
  if(EXISTS ${WORK}/build/consumer_compiled)
    run(${WORK}/build/consumer_compiled)
  endif()
endif()

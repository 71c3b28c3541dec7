# cmake -P cmake/bench.cmake: installs what is missing, builds the benchmarks into build/ and runs them all; the figures
# also land in build/bench/*.json. Besides the options of setup.cmake:
#
#   -DPEERS=OFF   don't install the large peers (OpenBLAS, oneDNN, PyTorch); what needs them is left out
#   -DONLY=REGEX  only these folders of bench/, and no comparison with PyTorch
#   -DMIN_TIME=S  seconds spent on one figure (0.2)
#   -DROUNDS=N    rounds in which both sides of a comparison take turns (3)
# All of it with -DROUNDS=1 -DMIN_TIME=0.01 takes half an hour.
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)
if(NOT DEFINED PEERS)
  set(PEERS ON)
endif()
if(NOT MIN_TIME)
  set(MIN_TIME 0.2)
endif()

if(NOT ROUNDS)
  set(ROUNDS 3)
endif()

set(peers)
if(PEERS)
  set(peers libopenblas-openmp-dev libdnnl-dev python3-torch python3-numpy)
endif()
require_packages(${build_packages} libbenchmark-dev libeigen3-dev libxtensor-dev libxsimd-dev ${peers})
configure(-DTESSERA_BUILD_TESTS=OFF)

if(NOT ONLY OR "compile_time" MATCHES "^(${ONLY})$")
  run(${CMAKE_COMMAND} -DCXX=${CXX} -P ${source_dir}/bench/compile_time.cmake)
endif()
build(benches examples)
file(GLOB programs ${build_dir}/bench/*_bench)
foreach(program IN LISTS programs)
  cmake_path(GET program FILENAME name)
  if(NOT ONLY OR name MATCHES "^(${ONLY})_bench$")
    run(${program} --benchmark_min_time=${MIN_TIME} --benchmark_out=${build_dir}/bench/${name}.json)
  endif()
endforeach()

# Operations, whole training steps and generation beside the peers.
foreach(name ops steps generation)
  if(PEERS AND (NOT ONLY OR name MATCHES "^(${ONLY})$"))
    set(results ${build_dir}/bench/${name}.json)
    run(python3 ${source_dir}/bench/${name}/compare.py ${build_dir}/bench/${name} --rounds ${ROUNDS} --json ${results})
  endif()
endforeach()
if(NOT ONLY OR "scaling" MATCHES "^(${ONLY})$")
  run(python3 ${source_dir}/bench/scaling/scaling.py ${build_dir}/bench --rounds ${ROUNDS})
endif()
if(PEERS AND NOT ONLY)
  run(bash ${source_dir}/bench/paint_training/compare.sh ${build_dir}/bench/paint_training_step 2 ${ROUNDS})
endif()

# cmake -P cmake/test.cmake: installs what is missing, builds the tests into build/ and runs them. Beside the options of
# setup.cmake: -DONLY='kernel|core', the tests of these folders only.
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

require_packages(${build_packages} ${test_packages} ${data_packages})
configure()
if(ONLY)
  file(GLOB folders RELATIVE ${source_dir}/tests ${source_dir}/tests/*)
  list(FILTER folders INCLUDE REGEX "^(${ONLY})$")
  list(TRANSFORM folders PREPEND tests_ OUTPUT_VARIABLE targets)
  build(${targets})
  set(selection --label-regex "^(${ONLY})$")
else()
  build(tests)
endif()
run(${CMAKE_CTEST_COMMAND} --test-dir ${build_dir} --output-on-failure --parallel ${JOBS} --no-tests=error ${selection})

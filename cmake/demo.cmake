# cmake -P cmake/demo.cmake: installs what is missing, builds the program paint, and has it paint 16 sentences in two
# languages: build/demo/sheet.png, and build/demo/forming.gif, one of them as it forms.
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

require_packages(${build_packages} fonts-wqy-microhei)  # the font writes the captions
configure(-DTESSERA_BUILD_TESTS=OFF -DTESSERA_BUILD_BENCH=OFF)
build(example_paint)

# Sixteen lines, half of them Chinese; some name a combination that the training never saw.
file(STRINGS ${source_dir}/examples/demo_prompts.txt prompts ENCODING UTF-8)
set(demo ${build_dir}/demo)
file(MAKE_DIRECTORY ${demo})
list(TRANSFORM prompts PREPEND "--prompt=" OUTPUT_VARIABLE options)
run(${build_dir}/examples/paint ${options} --seed 1 --output ${demo}/%03d.png --sheet ${demo}/sheet.png)
run(${build_dir}/examples/paint --prompt "a red heart" --seed 1 --output ${demo}/heart.png
  --preview ${demo}/forming.gif)
message(STATUS "The pictures: ${demo}/sheet.png (all 16) and ${demo}/forming.gif (one as it forms)")

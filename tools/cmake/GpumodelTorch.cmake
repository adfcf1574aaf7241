# The target gpumodel_torch: headers and libraries of libtorch, its CPU half only.
#
# PyPI's build of torch 2.11 is the CUDA one. find_package(Torch) demands the CUDA toolkit for it; c10 and
# torch_cpu alone need no more than the CUDA runtime and CUPTI libraries of the wheels beside it. Where torch is:
# GPUMODEL_TORCH_ROOT (a folder with include/ and lib/), or what GPUMODEL_PYTHON imports.
set(GPUMODEL_TORCH_ROOT "" CACHE PATH "libtorch 2.11 or later: the folder that holds include/ and lib/")

set(gpumodel_torch_root "${GPUMODEL_TORCH_ROOT}")
if(NOT gpumodel_torch_root)
  if(NOT GPUMODEL_PYTHON)
    message(FATAL_ERROR "No libtorch: run tools/setup and pass -DGPUMODEL_PYTHON=PYTHON (tools/build does both), name "
      "one with -DGPUMODEL_TORCH_ROOT=FOLDER, or build without it: -DGPUMODEL_WITH_TORCH=OFF")
  endif()
  execute_process(
    COMMAND "${GPUMODEL_PYTHON}" -c
      "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE gpumodel_torch_root OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    message(FATAL_ERROR "${GPUMODEL_PYTHON} has no torch: run tools/setup, or name one with -DGPUMODEL_TORCH_ROOT")
  endif()
endif()

find_library(GPUMODEL_C10 c10 PATHS "${gpumodel_torch_root}/lib" NO_DEFAULT_PATH)
find_library(GPUMODEL_TORCH_CPU torch_cpu PATHS "${gpumodel_torch_root}/lib" NO_DEFAULT_PATH)
find_path(GPUMODEL_TORCH_INCLUDE ATen/ATen.h PATHS "${gpumodel_torch_root}/include" NO_DEFAULT_PATH)
if(NOT GPUMODEL_C10 OR NOT GPUMODEL_TORCH_CPU OR NOT GPUMODEL_TORCH_INCLUDE)
  message(FATAL_ERROR "${gpumodel_torch_root} lacks lib/libc10.so, lib/libtorch_cpu.so or include/ATen/ATen.h")
endif()
mark_as_advanced(GPUMODEL_C10 GPUMODEL_TORCH_CPU GPUMODEL_TORCH_INCLUDE)

file(STRINGS "${GPUMODEL_TORCH_INCLUDE}/torch/headeronly/version.h" version_lines REGEX "define TORCH_VERSION_M")
string(REGEX MATCH "TORCH_VERSION_MAJOR ([0-9]+)" _ "${version_lines}")
set(gpumodel_torch_version "${CMAKE_MATCH_1}")
string(REGEX MATCH "TORCH_VERSION_MINOR ([0-9]+)" _ "${version_lines}")
string(APPEND gpumodel_torch_version ".${CMAKE_MATCH_1}")
if(gpumodel_torch_version VERSION_LESS 2.11)
  message(FATAL_ERROR "${gpumodel_torch_root} is torch ${gpumodel_torch_version}; 2.11 or later is needed")
endif()

# libtorch_cpu.so of the CUDA build names these; a CPU-only build has no such folders.
file(GLOB gpumodel_torch_beside "${gpumodel_torch_root}/../nvidia/*/lib")

add_library(gpumodel_torch INTERFACE)
target_include_directories(gpumodel_torch SYSTEM INTERFACE
  "${GPUMODEL_TORCH_INCLUDE}" "${GPUMODEL_TORCH_INCLUDE}/torch/csrc/api/include")
target_compile_definitions(gpumodel_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(gpumodel_torch INTERFACE "${GPUMODEL_TORCH_CPU}" "${GPUMODEL_C10}")
foreach(folder IN LISTS gpumodel_torch_beside)
  cmake_path(NORMAL_PATH folder)
  # libtorch_cpu.so's own DT_RPATH leads there at run time; the linker does not follow it.
  target_link_options(gpumodel_torch INTERFACE "LINKER:-rpath-link,${folder}")
endforeach()
target_link_options(gpumodel_torch INTERFACE "LINKER:-rpath,${gpumodel_torch_root}/lib")

# The target gpumodel_xgrammar: the static library that tools/setup builds, for constrained output.
set(GPUMODEL_XGRAMMAR_ROOT "" CACHE PATH "XGrammar 0.2.8: the folder that holds include/ and lib/")

find_library(GPUMODEL_XGRAMMAR_LIBRARY xgrammar PATHS "${GPUMODEL_XGRAMMAR_ROOT}/lib" NO_DEFAULT_PATH)
find_path(GPUMODEL_XGRAMMAR_INCLUDE xgrammar/xgrammar.h PATHS "${GPUMODEL_XGRAMMAR_ROOT}/include" NO_DEFAULT_PATH)
if(NOT GPUMODEL_XGRAMMAR_LIBRARY OR NOT GPUMODEL_XGRAMMAR_INCLUDE)
  message(FATAL_ERROR "No XGrammar: run tools/setup and pass -DGPUMODEL_XGRAMMAR_ROOT=FOLDER (tools/build does both)")
endif()
mark_as_advanced(GPUMODEL_XGRAMMAR_LIBRARY GPUMODEL_XGRAMMAR_INCLUDE)

add_library(gpumodel_xgrammar INTERFACE)
target_include_directories(gpumodel_xgrammar SYSTEM INTERFACE "${GPUMODEL_XGRAMMAR_INCLUDE}")
target_link_libraries(gpumodel_xgrammar INTERFACE "${GPUMODEL_XGRAMMAR_LIBRARY}" Threads::Threads)

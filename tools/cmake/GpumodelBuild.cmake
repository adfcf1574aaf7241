# Compiler settings that hold for every target, and the helpers that declare libraries and tests.
include(GNUInstallDirs)
# Where gpumodeld looks for its engine (daemon/os/engine_program.hpp).
set(GPUMODEL_ENGINE_DIR "lib/gpumodeld")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

find_program(GPUMODEL_CCACHE ccache)
if(GPUMODEL_CCACHE)
  # The sloppiness is what ccache asks for where precompiled headers are used. Depending on the compiler's own list of
  # headers and hashing each of them once, a first build costs little more than one without ccache.
  set(launcher "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1 CCACHE_INODECACHE=1 "${GPUMODEL_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

add_library(gpumodel_flags INTERFACE)
target_include_directories(gpumodel_flags INTERFACE "${CMAKE_SOURCE_DIR}/daemon")
target_compile_options(gpumodel_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>)
if(GPUMODEL_WERROR)
  target_compile_options(gpumodel_flags INTERFACE -Werror)
endif()
if(GPUMODEL_SANITIZE)
  add_compile_options(-fsanitize=${GPUMODEL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GPUMODEL_SANITIZE})
endif()

# gpumodel_library(NAME SOURCES... [PUBLIC libs...] [PRIVATE libs...])
# A static library of one folder. Includes are written from daemon/: "wire/frame.hpp".
function(gpumodel_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC gpumodel_flags ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

add_custom_target(tsan_tests)  # the tests labelled "tsan"
add_custom_target(fuzzers)

# gpumodel_test(NAME SOURCES... [HOT sources...] LIBS... [TIMEOUT seconds] [LABELS labels...])
# One Boost.Test program; each source is one suite, named after the unit that it tests. HOT are what suites share
# and spend their time in: optimised, where the rest of the tests is not.
function(gpumodel_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;HOT;LIBS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  # First, so that the linker takes their instances of what templates have in common.
  add_executable(${name} ${ARG_HOT} ${ARG_SOURCES})
  if(ARG_HOT)
    set_source_files_properties(${ARG_HOT} PROPERTIES COMPILE_OPTIONS "-O1" SKIP_PRECOMPILE_HEADERS ON)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE gpumodel_test_support ${ARG_LIBS})
  target_precompile_headers(${name} REUSE_FROM gpumodel_test_support)
  add_test(NAME ${name} COMMAND ${name} --log_level=test_suite --report_level=short)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "${GPUMODEL_TEST_ENVIRONMENT}")
  if("tsan" IN_LIST ARG_LABELS)
    add_dependencies(tsan_tests ${name})
  endif()
endfunction()

# gpumodel_fuzzer(NAME SOURCE LIBS... [CORPUS folder])
function(gpumodel_fuzzer name source)
  cmake_parse_arguments(ARG "" "CORPUS" "LIBS" ${ARGN})
  if(NOT GPUMODEL_FUZZ)
    return()
  endif()
  add_executable(${name} ${source})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  add_dependencies(fuzzers ${name})
endfunction()

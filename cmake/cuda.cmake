# CUDA as an optional language: the `cuda` preset. The compiler is the first of version 13.0 or newer
# among the one in $CUDA_PATH, on the PATH, in /usr/local/cuda, and what tools/setup-cuda unpacked.
set(TRANSEPT_CUDA_VERSION 13.0)

# For find_program: whether `nvcc` is new enough.
function(transept_check_nvcc result nvcc)
  execute_process(COMMAND ${nvcc} --version OUTPUT_VARIABLE text ERROR_QUIET)
  set(version "of unknown version")
  if(text MATCHES "release ([0-9.]+)")
    set(version "${CMAKE_MATCH_1}")
  endif()
  if(NOT version VERSION_GREATER_EQUAL TRANSEPT_CUDA_VERSION)
    message(STATUS "${nvcc} is passed over: CUDA ${version}, not ${TRANSEPT_CUDA_VERSION} or newer")
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

if(NOT CMAKE_CUDA_COMPILER)
  find_program(TRANSEPT_NVCC nvcc
    HINTS $ENV{CUDA_PATH}/bin
    PATHS /usr/local/cuda/bin ${PROJECT_SOURCE_DIR}/build/cuda-toolkit/bin
    VALIDATOR transept_check_nvcc)
  if(NOT TRANSEPT_NVCC)
    message(FATAL_ERROR "TRANSEPT_CUDA is on and there is no nvcc of CUDA ${TRANSEPT_CUDA_VERSION} "
      "or newer: run tools/setup-cuda")
  endif()
  set(CMAKE_CUDA_COMPILER ${TRANSEPT_NVCC})
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 90a CACHE STRING "GPU architectures to compile for")
endif()
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
if(CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS TRANSEPT_CUDA_VERSION)
  message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}; "
    "at least ${TRANSEPT_CUDA_VERSION} is needed")
endif()
string(APPEND CMAKE_CUDA_FLAGS " --expt-relaxed-constexpr")
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know CUDA 13's
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
# CUDAToolkit's own find module of CMake 3.25 fails on CUDA 13, so its parts are looked up here.
get_filename_component(TRANSEPT_CUDA_BIN ${CMAKE_CUDA_COMPILER} DIRECTORY)
find_library(TRANSEPT_CUBLASLT cublasLt REQUIRED
  HINTS ${TRANSEPT_CUDA_BIN}/../lib64 ${TRANSEPT_CUDA_BIN}/../targets/x86_64-linux/lib)
find_library(TRANSEPT_CUDART cudart_static REQUIRED
  HINTS ${TRANSEPT_CUDA_BIN}/../lib64 ${TRANSEPT_CUDA_BIN}/../targets/x86_64-linux/lib)
add_library(transept_cuda_runtime INTERFACE)
target_include_directories(transept_cuda_runtime SYSTEM INTERFACE
  ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_link_libraries(transept_cuda_runtime INTERFACE
  ${TRANSEPT_CUBLASLT} ${TRANSEPT_CUDART} Threads::Threads ${CMAKE_DL_LIBS} rt)

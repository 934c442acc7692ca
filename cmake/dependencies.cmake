# Everything comes from Debian's packages (scripts/setup.sh) or from a prefix (scripts/prefix.sh);
# LibTorch also from LIBTORCH=/path.
if(DEFINED ENV{LIBTORCH})
  list(PREPEND CMAKE_PREFIX_PATH $ENV{LIBTORCH})
endif()

find_package(Torch REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options graph)
find_package(TBB REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenMP)

find_path(PCRE2_INCLUDE_DIR pcre2.h REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
find_path(UTF8PROC_INCLUDE_DIR utf8proc.h REQUIRED)
find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
find_path(SENTENCEPIECE_INCLUDE_DIR sentencepiece_processor.h REQUIRED)
find_library(SENTENCEPIECE_LIBRARY sentencepiece REQUIRED)
find_library(SENTENCEPIECE_TRAIN_LIBRARY sentencepiece_train REQUIRED)

# oneDNN's float32 matrix product; without it LibTorch's own is used.
find_path(DNNL_INCLUDE_DIR dnnl.h)
find_library(DNNL_LIBRARY dnnl)

# LibTorch as a system include, so that warnings are ours alone and can be errors.
add_library(decant_torch INTERFACE)
target_include_directories(decant_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(decant_torch INTERFACE ${TORCH_LIBRARIES})
separate_arguments(decant_torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(decant_torch INTERFACE ${decant_torch_flags})

foreach(package PCRE2 UTF8PROC SENTENCEPIECE)
  string(TOLOWER ${package} name)
  add_library(decant_${name} INTERFACE)
  target_include_directories(decant_${name} SYSTEM INTERFACE ${${package}_INCLUDE_DIR})
  target_link_libraries(decant_${name} INTERFACE ${${package}_LIBRARY})
endforeach()
target_link_libraries(decant_sentencepiece INTERFACE ${SENTENCEPIECE_TRAIN_LIBRARY})

# Everything comes from Debian's packages (scripts/setup.sh) or from a prefix (scripts/prefix.sh);
# LibTorch also from LIBTORCH=/path.
if(DEFINED ENV{LIBTORCH})
  list(PREPEND CMAKE_PREFIX_PATH $ENV{LIBTORCH})
endif()

set(FPHSA_NAME_MISMATCHED ON)  # LibTorch's own modules; not ours to warn about
find_package(Torch REQUIRED)
unset(FPHSA_NAME_MISMATCHED)
if(TORCH_CXX_FLAGS MATCHES "_GLIBCXX_USE_CXX11_ABI=0")
  message(FATAL_ERROR "the LibTorch in ${TORCH_INSTALL_PREFIX} has the C++ ABI from before C++11, which"
    " no other library here shares; use one built with the current ABI (python's torch from 2.7 on)")
endif()

find_package(Boost 1.74 REQUIRED CONFIG COMPONENTS headers program_options)
# The readers of graph files are linked statically: the shared library brings ICU, which is larger
# than all of Decant.
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.74 REQUIRED CONFIG COMPONENTS graph regex)
unset(Boost_USE_STATIC_LIBS)
find_package(TBB REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)

find_path(PCRE2_INCLUDE_DIR pcre2.h REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
find_path(UTF8PROC_INCLUDE_DIR utf8proc.h REQUIRED)
find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)

# Faiss is a static library; its products come from the BLAS that LibTorch itself uses (Debian).
find_path(FAISS_INCLUDE_DIR faiss/IndexFlat.h REQUIRED)
find_library(FAISS_LIBRARY faiss REQUIRED)
find_library(BLAS_LIBRARY NAMES blas openblas REQUIRED)
find_library(LAPACK_LIBRARY NAMES lapack openblas REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

# oneDNN's float32 matrix product, where oneDNN is installed beside LibTorch and thus the one that
# LibTorch itself uses (Debian). Without it LibTorch's own product is used.
find_path(DNNL_INCLUDE_DIR dnnl.h PATHS ${TORCH_INSTALL_PREFIX}/include NO_DEFAULT_PATH)
find_library(DNNL_LIBRARY dnnl PATHS ${TORCH_INSTALL_PREFIX}/lib
  PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH)

# RPATH instead of RUNPATH, so that the libraries of a prefix find each other too.
add_link_options(-Wl,--disable-new-dtags)

# LibTorch as a system include, so that warnings are ours alone and can be errors.
add_library(decant_torch INTERFACE)
target_include_directories(decant_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(decant_torch INTERFACE ${TORCH_LIBRARIES})
separate_arguments(decant_torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(decant_torch INTERFACE ${decant_torch_flags})

foreach(package PCRE2 UTF8PROC)
  string(TOLOWER ${package} name)
  add_library(decant_${name} INTERFACE)
  target_include_directories(decant_${name} SYSTEM INTERFACE ${${package}_INCLUDE_DIR})
  target_link_libraries(decant_${name} INTERFACE ${${package}_LIBRARY})
endforeach()

add_library(decant_faiss INTERFACE)
target_include_directories(decant_faiss SYSTEM INTERFACE ${FAISS_INCLUDE_DIR})
target_link_libraries(decant_faiss INTERFACE ${FAISS_LIBRARY} ${LAPACK_LIBRARY} ${BLAS_LIBRARY}
  ${OpenMP_gomp_LIBRARY})

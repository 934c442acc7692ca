#!/usr/bin/env bash
# Installs what is missing to build Decant: with apt on Debian 12 and newer and on Ubuntu 24.04 and
# newer. Elsewhere it prints the package list and stops. Nothing to install: done in a moment.
#
#   LIBTORCH=/path            a LibTorch 2.x to build against; then Debian's is not installed
#   CMAKE_PREFIX_PATH=DIR     a folder made by scripts/prefix.sh; then nothing is installed at all
set -euo pipefail

tools=(cmake ninja-build g++ ccache pkg-config)
libraries=(libboost-dev libboost-graph-dev libboost-program-options-dev libtbb-dev libyaml-cpp-dev
  nlohmann-json3-dev libpcre2-dev libutf8proc-dev libspdlog-dev libfaiss-dev
  libgtest-dev libgmock-dev libbenchmark-dev)
# Debian's LibTorch takes its BLAS from whatever provides libblas.so.3: OpenBLAS on OpenMP is the
# fast one. A LibTorch given by the user brings its own BLAS and its own oneDNN.
torch=(libtorch-dev libopenblas0-openmp libdnnl-dev)

fail() {
  echo "setup: $*" >&2
  exit 1
}

packages=("${tools[@]}" "${libraries[@]}")
if [ -n "${LIBTORCH:-}" ]; then
  [ -f "$LIBTORCH/share/cmake/Torch/TorchConfig.cmake" ] ||
    fail "LIBTORCH=$LIBTORCH holds no share/cmake/Torch/TorchConfig.cmake"
  IFS=':;' read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in ${prefixes[@]+"${prefixes[@]}"}; do
    if [ -f "$prefix/decant-prefix.txt" ]; then
      echo "setup: dependencies from $prefix, LibTorch from $LIBTORCH"
      exit 0
    fi
  done
else
  packages+=("${torch[@]}")
fi

# True when this system has apt and is recent enough (CMake 3.25, GCC 12).
supported() {
  command -v apt-get >/dev/null && [ -r /etc/os-release ] || return 1
  local ID="" VERSION_ID=""
  . /etc/os-release
  case "$ID" in
    debian) [ -z "$VERSION_ID" ] || [ "${VERSION_ID%%.*}" -ge 12 ] ;;
    ubuntu) [ "${VERSION_ID%%.*}" -ge 24 ] ;;
    *) return 1 ;;
  esac
}

if ! supported; then
  echo "setup: installs by itself only on Debian 12 and newer and Ubuntu 24.04 and newer."
  echo "Decant needs CMake 3.25, GCC 12 and what these Debian packages hold:"
  printf '  %s\n' "${packages[@]}"
  echo "scripts/prefix.sh makes a folder of the libraries, for hosts without root."
  exit 1
fi

missing=()
installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "${packages[@]}" 2>/dev/null || true)"
for package in "${packages[@]}"; do
  [[ $installed == *" installed=$package "* ]] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "needs root or sudo to install: ${missing[*]}"
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  ${as_root[@]+"${as_root[@]}"} apt-get update -q
  for package in "${missing[@]}"; do
    [ -n "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ] ||
      fail "this system offers no package $package$([ "$package" = libtorch-dev ] &&
        echo '; unpack a LibTorch 2.x and say LIBTORCH=/path')"
  done
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

# With the pthread flavour of OpenBLAS installed as well, the libraries can resolve to it, and
# float32 work on two threads is then 2 to 13 times slower.
if [ -z "${LIBTORCH:-}" ]; then
  for library in libblas.so.3 liblapack.so.3 libopenblas.so.0; do
    path=$(/sbin/ldconfig -p | sed -n "s|^\s*$library (libc6,.*=> ||p" | head -n 1)
    resolved=$(readlink -f "${path:-/nowhere}" || true)
    case "$resolved" in
      */openblas-openmp/*) ;;
      *)
        echo "setup: $library is ${resolved:-not found}, not the OpenMP flavour of OpenBLAS:" \
          "matrix products will be slow. Mend it with" >&2
        echo "  update-alternatives --config $library-$(gcc -dumpmachine)" >&2
        ;;
    esac
  done
fi
echo "setup: everything is there"

#!/usr/bin/env bash
# Unpacks the libraries that Decant needs, LibTorch aside, into one relocatable folder, for clusters
# and GPU hosts without root or registry. Run it where apt works (no root needed), copy the folder,
# and build there with a LibTorch 2.x, for example that of python's torch package:
#
#   scripts/prefix.sh DIR
#   export CMAKE_PREFIX_PATH=DIR
#   export LIBTORCH=$(python3 -c 'import torch; print(torch.__path__[0])')
#   scripts/test.sh           or: cmake --preset release && cmake --build --preset release
#
# The host needs CMake 3.25, Ninja, GCC 12 or newer, and a glibc no older than this machine's.
set -euo pipefail

limit_mb=60
root=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -ne 1 ] || [ "$1" = --help ]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
  exit $(($# == 1 ? 0 : 2))
fi
command -v apt-get >/dev/null || { echo "prefix: needs apt-get" >&2; exit 1; }
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
[ -z "$(ls -A "$prefix")" ] || { echo "prefix: $prefix is not empty" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What we name, and of what that depends on the libraries proper, not the system below them.
wanted=(libboost-dev libboost-graph-dev libboost-program-options-dev libtbb-dev libyaml-cpp-dev
  nlohmann-json3-dev libpcre2-dev libutf8proc-dev libspdlog-dev libgtest-dev libgmock-dev
  libbenchmark-dev libfaiss-dev libblas-dev liblapack-dev)
ours='^(lib(boost|tbb|yaml-cpp|pcre2|utf8proc|spdlog|fmt|gtest|gmock|benchmark|faiss)|nlohmann)'
# What Faiss multiplies with, where no other BLAS is there to be linked.
ours="$ours|^lib(blas-dev|blas3|lapack-dev|lapack3|gfortran5|quadmath0)\$"
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
  --no-replaces --no-enhances "${wanted[@]}" |
  grep -E "$ours" | grep -vE 'boost-(test|serialization)' | sort -u)
mkdir "$work/debs" "$work/all"
# shellcheck disable=SC2086  # one word per package
(cd "$work/debs" && apt-get -o APT::Sandbox::User=root download -q $packages)
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/all"; done
all=$work/all/usr

# Libraries, with the folders of CMake's package files kept where they expect them to be.
libraries=$(cd "$all" && find lib -mindepth 1 -maxdepth 1 -type d -name '*-linux-gnu')
mkdir -p "$prefix/lib" "$prefix/include"
cp -a "$all/$libraries" "$prefix/lib/"
for folder in lib/cmake share/cmake share/pcre2; do
  [ ! -d "$all/$folder" ] || { mkdir -p "$prefix/${folder%/*}"; cp -a "$all/$folder" "$prefix/$folder"; }
done
(
  cd "$prefix/$libraries"
  rm -rf pkgconfig libpcre2-16* libpcre2-32* libpcre2-posix*
  # Boost.Graph is linked statically: its shared library asks for ICU.
  rm -f libboost_{graph,regex}.so*
  # Debian makes these links when it installs.
  for name in blas lapack; do
    ln -s "$name/lib$name.so.3" "lib$name.so.3"
    ln -s "$name/lib$name.so.3" "lib$name.so"
  done
  find . -name '*.a' ! -name 'libgtest*' ! -name 'libgmock*' ! -name 'libbenchmark*' \
    ! -name libfaiss.a ! -name 'libboost_graph.a' ! -name 'libboost_regex.a' -delete
)

# Headers: all of the small libraries; of Boost those that our sources reach, and the folders in
# which it chooses a header by compiler and platform.
(cd "$all/include" && find . -mindepth 1 -maxdepth 1 ! -name boost -exec cp -a {} "$prefix/include/" \;)
grep -rhoE '^ *# *include +<boost/[^>]+>' "$root"/{rl,envs,agents,distill,tests,bench} |
  sort -u >"$work/boost.cc" || true
if [ -s "$work/boost.cc" ]; then
  (
    cd "$all/include"
    ${CXX:-g++} -std=c++20 -M -I . "$work/boost.cc" | grep -oE '\bboost/[^ ]+' >"$work/headers"
    find boost/config boost/predef boost/version.hpp boost/config.hpp -type f >>"$work/headers"
    sort -u "$work/headers" | tar -cf - -T - | tar -xf - -C "$prefix/include"
  )
fi

# No link may point out of the folder.
outward=$(find "$prefix" -xtype l -o -type l -lname '/*')
[ -z "$outward" ] || { echo "prefix: these links leave the folder: $outward" >&2; exit 1; }

for package in "$work"/debs/*.deb; do
  # shellcheck disable=SC2016  # dpkg-deb expands these
  dpkg-deb -W --showformat='${Package} ${Version}\n' "$package"
done >"$prefix/decant-prefix.txt"
size_mb=$(du -sm --apparent-size "$prefix" | cut -f 1)
echo "prefix: $prefix, $size_mb MB, $(wc -l <"$prefix/decant-prefix.txt") packages"
[ "$size_mb" -le "$limit_mb" ] || { echo "prefix: more than $limit_mb MB" >&2; exit 1; }

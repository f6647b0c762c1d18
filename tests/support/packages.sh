#!/usr/bin/env bash
# packages.sh BINARY: the Debian packages of a build, as they are and as the next release, in BINARY/packages/{1,2}
set -euo pipefail
for release in 1 2; do
    rm -rf "$1/packages/$release"
    cpack --config "$1/CPackConfig.cmake" -G DEB -B "$1/packages/$release" -D CPACK_DEBIAN_PACKAGE_RELEASE=$release
done

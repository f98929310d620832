# SPDX-License-Identifier: MIT
# Once before all tests, by bats itself.

setup_suite() {
    # Tests drop to other users, who have to reach their folders and what is built.
    chmod 755 "$BATS_RUN_TMPDIR"
    BUILD=${BUILD:-$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)/build}
    export BUILD BUILT_IN=$BUILD
    if [ "$(id -u)" = 0 ] && ! setpriv --reuid 65534 --clear-groups test -x "$BUILD/reuseport"; then
        BUILD=$BATS_RUN_TMPDIR/build
        mkdir "$BUILD"
        (cd "$BUILT_IN" && cp -a libreuseport.so reuseport doc examples probes "$BUILD")
        chmod -R a+rX "$BUILD"
    fi
}

# The tests that asyncpg ships, against PostgreSQL and through pg_doorman in both modes: which of them end otherwise?
#
#     asyncpg-suite.sh DIRECTORY
#
# Brings asyncpg with its tests to DIRECTORY (what an earlier run brought is still there), runs them, and says how each
# that ends otherwise through the pooler does. The status is 0 when these are the ones in asyncpg-differences.txt, and 77
# when it cannot be tried here; the last line says why then. Needs Python with venv, a C compiler, and the pooler
# compiled in dist. Takes one or two minutes.
set -eu
version=0.32.0
distro_version=1.9.0 # a module that the tests import
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
directory=$(cd "$1" && pwd)

cannot() { echo "$1"; exit 77; }
if [ ! -e "$directory/brought-$version" ]; then
  command -v python3 >/dev/null || cannot 'python3 is not on this machine'
  rm -rf "$directory/venv" "$directory/tests"
  python3 -m venv "$directory/venv" || cannot 'python3 has no venv'
  pip() { "$directory/venv/bin/python" -m pip "$@" --quiet --disable-pip-version-check; }
  pip download --no-deps --no-binary asyncpg --dest "$directory" "asyncpg==$version" ||
    cannot "asyncpg $version cannot be had"
  pip install "$directory/asyncpg-$version.tar.gz" "distro==$distro_version" ||
    cannot "asyncpg $version cannot be built"
  tar -xzf "$directory/asyncpg-$version.tar.gz" -C "$directory" --strip-components=1 "asyncpg-$version/tests"
  touch "$directory/brought-$version"
fi

cd "$here/../../.."
# The support files of our tests import node:test, whose report says nothing here, and is another in a test of ours.
exec env -u NODE_TEST_CONTEXT node --import tsx --test-reporter=tap --test-reporter-destination=/dev/null "$here/asyncpg-suite.mts" "$directory"

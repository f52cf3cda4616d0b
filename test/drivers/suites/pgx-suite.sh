# The tests that pgx ships, against PostgreSQL itself and through a pooler in session and in transaction mode.
#
#   pgx-suite.sh DIRECTORY POSTGRES_PORT POOLER_PORT [PACKAGE…]
#
# Both are on 127.0.0.1 and let postgres in without asking. The pooler has the pools pgx_session and pgx_transaction,
# each in the mode that it is named after. Without packages all run that need a database. The source is brought to
# DIRECTORY, and the tests are compiled there once. Status 77: it cannot be tried here, and the last line says why.
set -eu
VERSION=v5.12.0
PACKAGES='pgx pgconn pgxpool pgtype zeronull stdlib'
mkdir -p "$1"
directory=$(cd "$1" && pwd)
command -v go >/dev/null || { echo 'Go is not on this machine'; exit 77; }

if [ "$(cat "$directory/version" 2>/dev/null)" != $VERSION ]; then
  rm -rf "$directory/version" "$directory/source"
  found=$(cd "$directory" && go mod download -json github.com/jackc/pgx/v5@$VERSION 2>&1) ||
    { echo "pgx $VERSION cannot be had:" $found; exit 77; }
  cp -r "$(echo "$found" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" "$directory/source"
  chmod -R u+w "$directory/source"
  for package in $PACKAGES; do
    case $package in pgx) path=. ;; zeronull) path=./pgtype/zeronull ;; *) path=./$package ;; esac
    ln -sfn "source/$path" "$directory/$package"
    (cd "$directory/source" && go test -c -vet=off -o "$directory/$package.test" $path)
  done
  echo $VERSION > "$directory/version"
fi

here=$(dirname "$0")
shift
ports="$1 $2"
shift 2
exec node "$here/pgx-suite.mjs" "$directory" $ports ${@:-$PACKAGES}

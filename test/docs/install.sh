# Brings the programs that readers of the manual have, from Debian when we may install. The last line says what is missing.
set -eu
missing=''
for pair in psql:postgresql-client curl:curl openssl:openssl; do
  command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1 || true
fi
for program in psql curl openssl; do
  command -v $program >/dev/null || { echo "$program is not on this machine"; exit 1; }
done

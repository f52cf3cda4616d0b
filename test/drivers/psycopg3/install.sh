set -eu
WANTED='psycopg[binary]==3.3.9 psycopg-pool==3.3.3'
[ "$(cat "$1/installed" 2>/dev/null)" != "$WANTED" ] || exit 0
command -v python3 >/dev/null || { echo 'python3 is not on this machine'; exit 1; }
python3 -m venv --clear "$1" || { echo 'python3 has no venv here'; exit 1; }
# shellcheck disable=SC2086
"$1/bin/pip" install --quiet --disable-pip-version-check $WANTED 2>&1 ||
  { echo "pip does not bring $WANTED"; exit 1; }
echo "$WANTED" > "$1/installed"

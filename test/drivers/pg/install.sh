set -eu
WANTED='pg@8.23.1 pg-cursor@2.22.0 pg-query-stream@4.17.0'
[ "$(cat "$1/installed" 2>/dev/null)" != "$WANTED" ] || exit 0
command -v npm >/dev/null || { echo 'npm is not on this machine'; exit 1; }
# shellcheck disable=SC2086
npm install --prefix "$1" --no-save --no-package-lock --no-audit --no-fund --loglevel=error $WANTED >/dev/null ||
  { echo "npm does not bring $WANTED"; exit 1; }
echo "$WANTED" > "$1/installed"

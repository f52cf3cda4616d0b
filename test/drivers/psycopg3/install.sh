set -eu
command -v python3 >/dev/null || { echo 'python3 is not on this machine'; exit 1; }
[ -x "$1/bin/python3" ] || python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.9' 2>&1

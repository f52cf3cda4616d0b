# Brings what a real Patroni cluster needs: etcd and PostgreSQL's server programs from Debian when they are missing and
# we may install, and Patroni from the Python registry into DIRECTORY. The last line of its output says what is missing.
set -eu
WANTED='patroni[etcd3]==4.1.5 psycopg[binary]==3.3.9'

has_postgres() { ls /usr/lib/postgresql/*/bin/pg_basebackup >/dev/null 2>&1; }
missing=''
command -v etcd >/dev/null || missing='etcd-server'
has_postgres || missing="$missing postgresql"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1 || true
fi
command -v etcd >/dev/null || { echo 'etcd is not on this machine (Debian: etcd-server)'; exit 1; }
has_postgres || { echo "PostgreSQL's server programs are not on this machine (Debian: postgresql)"; exit 1; }

[ "$(cat "$1/installed" 2>/dev/null)" != "$WANTED" ] || exit 0
# The system's: the user that PostgreSQL runs as may not reach another one.
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3) || { echo 'python3 is not on this machine'; exit 1; }
"$python" -m venv --clear "$1" || { echo 'python3 has no venv here (Debian: python3-venv)'; exit 1; }
# shellcheck disable=SC2086
"$1/bin/pip" install --quiet --disable-pip-version-check $WANTED 2>&1 || { echo "pip does not bring $WANTED"; exit 1; }
echo "$WANTED" > "$1/installed"

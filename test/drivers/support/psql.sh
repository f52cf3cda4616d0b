# Brings psql. If it cannot, it ends with a status other than 0, and its last line says why.
set -eu
command -v psql >/dev/null && exit
[ "$(id -u)" = 0 ] || { echo 'psql is not on this machine, and only root can install it'; exit 1; }
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-client >/dev/null 2>&1 ||
  { echo 'apt-get could not install postgresql-client'; exit 1; }

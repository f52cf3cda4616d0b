set -eu
have() { perl -MDBD::Pg -e 1 2>/dev/null; }
have && exit 0
[ "$(id -u)" = 0 ] || { echo 'libdbd-pg-perl is not on this machine, and only root can install it'; exit 1; }
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libdbd-pg-perl >/dev/null 2>&1 || true
have || { echo 'apt-get could not install libdbd-pg-perl'; exit 1; }

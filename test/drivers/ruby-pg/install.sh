set -eu
have() { ruby -e 'require "pg"' 2>/dev/null; }
have && exit 0
[ "$(id -u)" = 0 ] || { echo 'ruby-pg is not on this machine, and only root can install it'; exit 1; }
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ruby ruby-pg >/dev/null 2>&1 || true
have || { echo 'apt-get could not install ruby-pg'; exit 1; }

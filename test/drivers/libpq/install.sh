set -eu
have() { command -v gcc >/dev/null && [ -e /usr/include/postgresql/libpq-fe.h ]; }
if ! have; then
  [ "$(id -u)" = 0 ] || { echo 'gcc and libpq-dev are not on this machine, and only root can install them'; exit 1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev libpq-dev >/dev/null 2>&1 ||
    { echo 'apt-get could not install gcc and libpq-dev'; exit 1; }
fi
source=$(dirname "$0")/application.c
[ "$1/application" -nt "$source" ] ||
  gcc -std=c11 -O1 -Wall -Wextra -Werror -D_GNU_SOURCE -I/usr/include/postgresql "$source" -o "$1/application" -lpq -lpthread 2>&1 ||
  { echo 'the application does not compile'; exit 1; }

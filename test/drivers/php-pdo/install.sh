set -eu
have() { php -r 'exit(extension_loaded("pgsql") && extension_loaded("pdo_pgsql") ? 0 : 1);' 2>/dev/null; }
have && exit 0
[ "$(id -u)" = 0 ] || { echo 'php-cli and php-pgsql are not on this machine, and only root can install them'; exit 1; }
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends php-cli php-pgsql >/dev/null 2>&1 || true
have || { echo 'apt-get could not install php-cli and php-pgsql'; exit 1; }

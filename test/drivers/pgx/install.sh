set -eu
command -v go >/dev/null || { echo 'Go is not on this machine'; exit 1; }
cd "$(dirname "$0")"
GOFLAGS=-mod=readonly go build -o "$1/application" . 2>&1

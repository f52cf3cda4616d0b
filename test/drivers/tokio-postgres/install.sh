set -eu
here=$(dirname "$0")
command -v cargo >/dev/null || { echo 'cargo is not on this machine'; exit 1; }
# Cargo writes its lock file beside Cargo.toml, so it gets a copy.
cp -pR "$here/Cargo.toml" "$here/src" "$1"
cd "$1"
CARGO_TARGET_DIR=$1/target cargo build --quiet 2>&1 || { echo 'cargo cannot build the application'; exit 1; }

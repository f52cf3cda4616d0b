exec node --no-deprecation "$(dirname "$0")/application.mjs" "$1"

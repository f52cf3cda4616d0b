exec "$1/bin/python3" "$(dirname "$0")/application.py"

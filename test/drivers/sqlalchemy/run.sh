here=$(dirname "$0")
export PYTHONPATH="$here/../support" PYTHONDONTWRITEBYTECODE=1
exec "$1/bin/python3" "$here/application.py"

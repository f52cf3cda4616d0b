exec "$1/application"

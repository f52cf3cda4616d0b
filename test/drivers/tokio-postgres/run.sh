exec "$1/target/debug/application"

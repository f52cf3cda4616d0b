exec php -d display_errors=stderr -d error_reporting=-1 -d memory_limit=512M "$(dirname "$0")/application.php"

exec perl "$(dirname "$0")/application.pl"

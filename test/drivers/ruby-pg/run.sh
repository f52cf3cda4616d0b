exec ruby -E UTF-8 -W1 "$(dirname "$0")/application.rb"

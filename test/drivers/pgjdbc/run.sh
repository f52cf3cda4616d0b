exec java -XX:TieredStopAtLevel=1 -cp "$1/classes:$1/*" Application

# Java's ciphers are slow without its second compiler.
quick=-XX:TieredStopAtLevel=1
[ "$PGSSLMODE" = disable ] || quick=
exec java $quick -cp "$1/classes:$1/*" Application

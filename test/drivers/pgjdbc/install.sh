set -eu
version=42.7.14
here=$(dirname "$0")
jar=$1/postgresql-$version.jar
for program in javac mvn; do
  command -v $program >/dev/null || { echo "$program is not on this machine"; exit 1; }
done
if [ ! -f "$jar" ]; then
  rm -rf "$1"/*
  (cd "$1" && mvn -q dependency:copy -Dartifact=org.postgresql:postgresql:$version -DoutputDirectory="$1") ||
    { echo "Maven cannot bring pgjdbc $version"; exit 1; }
fi
compiled=$1/compiled
if [ ! -f "$compiled" ] || [ -n "$(find "$here" -name '*.java' -newer "$compiled")" ]; then
  javac -Xlint:all -d "$1/classes" -cp "$jar" "$here"/*.java ||
    { echo 'javac does not take the application'; exit 1; }
  touch "$compiled"
fi

printf 'main;parse;read 3\nmain;print 2\n' | profcore top - --json | python3 -c '
import json, sys
top = json.load(sys.stdin)
print(sorted((row["name"], row["self"], row["total"]) for row in top["rows"]))'

jfr_sample cut > cut.jfr
profcore events cut.jfr | head -n 4
profcore events cut.jfr --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["recording"]["events"]))'
profcore events cut.jfr --strict || echo "exit $?"
profcore events cut.jfr --strict --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["recording"]["events"]))'

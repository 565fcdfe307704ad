jfr_sample > app.jfr
profcore events app.jfr --json --stack-depth 1
for kind in text none whole one; do
  jfr_sample $kind > some.jfr
  profcore events some.jfr --json | python3 -c '
import json, sys
events = json.load(sys.stdin)["recording"]["events"]
print(len(events), sorted({repr(event["type"]) for event in events}))' || true
done

# Whatever names and values a recording has: JSON is valid, with an event per line, and text has no line of the
# recording's own making, nor anything a terminal would act on.
jfr_sample hostile > hostile.jfr
cat > check_json.py <<'END'
import json, sys
def no_number(word):
    raise ValueError(word)
text = open(sys.argv[1], "rb").read().decode("utf-8")
events = json.loads(text, parse_constant=no_number)["recording"]["events"]
lines = text.splitlines()
assert lines[0] == '{"recording":{"events":[' and lines[-1] == "]}}", lines
for line in lines[1:-1]:
    event = json.loads(line.rstrip(","), parse_constant=no_number)
    assert set(event) == {"type", "values"}
assert len(lines) - 2 == len(events), (len(lines), len(events))
assert all(ord(c) >= 0x20 and not 0x7f <= ord(c) < 0xa0 for line in lines for c in line)
print(len(events), "events of", len({event["type"] for event in events}), "types", len(text) < 100000)
END
profcore events hostile.jfr --json > hostile.json
python3 check_json.py hostile.json
cat > check_text.py <<'END'
import sys, unicodedata
text = open(sys.argv[1], "rb").read().decode("utf-8")
lines = text.split("\n")
for line in lines:
    assert len(line.splitlines()) <= 1 and all(unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") for c in line), line
print(sum(line.endswith(" {") and not line.startswith(" ") for line in lines), "events", "forged" in text)
END
profcore events hostile.jfr --type "$(printf '\\u0000\\')" | head -n 13
profcore events hostile.jfr --type "$(printf 'line\nline')" > one.txt
python3 check_text.py one.txt
for what in "" --types; do
  profcore events hostile.jfr $what > list.txt
  python3 check_text.py list.txt
done
jfr_sample long > long.jfr
profcore events long.jfr --type test.Text | cut -c 1-40 | tail -n 8
# An event that cannot be printed to its end: what is there is JSON all the same.
profcore events long.jfr --json --max-memory 1 > long.json || echo "exit $?"
python3 check_json.py long.json
cat long.json

# Whoever reads has enough: no failure, no message.
jfr_sample > app.jfr
i=0; while [ $i -lt 300 ]; do cat app.jfr; i=$((i + 1)); done > long.jfr
{ profcore events long.jfr --json; echo "exit $?" >&2; } | head -n 1

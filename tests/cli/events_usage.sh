try() { profcore events "$@" || echo "exit $?"; }
jfr_sample > app.jfr
try
try app.jfr app.jfr
try app.jfr --types --json
try app.jfr --limit 3
try app.jfr --type ,
try app.jfr --type NoSuch
try missing.jfr
printf 'a;b 3\n' > stacks.folded
try stacks.folded
: > empty.jfr
try empty.jfr
jfr_sample none > none.jfr
try none.jfr

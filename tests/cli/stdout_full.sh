printf 'a;b 1\n' > a.folded
profcore top a.folded > /dev/full || echo "exit $?"
profcore flame a.folded --types > /dev/full || echo "exit $?"
profcore top --help > /dev/full || echo "exit $?"
profcore top a.folded >&- || echo "exit $?"

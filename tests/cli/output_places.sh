printf 'a;b 1\n' > a.folded
mkdir -p there
profcore flame a.folded -o there/x.html --quiet
profcore flame a.folded -o missing/x.html || echo "exit $?"
profcore flame a.folded -o there --to html || echo "exit $?"
ls there

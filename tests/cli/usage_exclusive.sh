printf 'a;b 1\n' > a.folded
profcore top a.folded --peek a --tsv || echo "exit $?"
profcore top a.folded --tree --tsv || echo "exit $?"
profcore flame a.folded --to top || echo "exit $?"
profcore convert a.folded --inverted -o b.folded || echo "exit $?"
profcore convert a.folded --type samples -o b.pb.gz || echo "exit $?"
ls

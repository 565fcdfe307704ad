printf 'a;b 1\n' > a.folded
for words in "top --min-share 200" "top -n 1.5" "top -n -1" "diff --fail-over x" "flame --width 1e9" "top --key colour"; do
  profcore $words a.folded a.folded || echo "exit $?"
done

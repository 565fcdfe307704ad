printf "main;a 1\n" >a.folded
for words in "" "a.folded a.folded" "a.folded --language ruby" "a.folded --variant right" "a.folded --to xml" \
  "a.folded --tag host --to line" "a.folded --tag =x --to line" "a.folded --tag a=b" "a.folded --start 5" \
  "a.folded --start 5 --end 5" "a.folded --start 1e9 --end 2e9" "a.folded" "a.folded --language jvm"; do
  status=0
  profcore metrics $words || status=$?
  echo "$status: $words"
done

python3 "$TEST_DIR/threads_profile.py"
profcore convert threads.pb -o - --to collapsed --kinds
profcore convert threads.pb --compat deepflow -o - --to collapsed
profcore convert threads.pb --compat deepflow -o a.pb.gz
profcore convert a.pb.gz --compat deepflow -o - --to collapsed --tagfocus process=cron
profcore top threads.pb --compat deepflow --tsv | cut -f 1,5-7
for process in nginx cron; do
  profcore flame threads.pb --compat deepflow --tagfocus process=$process -q --to json -o - | grep -o '"frames":.."name":"[^"]*"'
done
printf '%s\n' '[p] nginx;main;[k] read 2' 'main;a 3' >a.folded
profcore convert a.folded --compat deepflow -o - --to collapsed
profcore diff a.folded a.folded --compat deepflow --to tsv | cut -f 1,5
profcore top a.folded --compat datadog || echo "exit $?"

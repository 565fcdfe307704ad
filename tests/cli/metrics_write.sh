metrics_sample jdk >rec.jfr
profcore metrics rec.jfr --variant corrected --to json --tag host=h1 --tag env=
profcore metrics - --start 1700000000000000000 --end 1700000020000000000 --to line --tag "service=a b" <rec.jfr
profcore metrics rec.jfr --to line -o out.txt
wc -l <out.txt

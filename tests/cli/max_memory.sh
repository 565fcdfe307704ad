# 200 MB of two lines in turn: past what a file of 400 KB may take, unless one says how much it may.
yes "main;work 1
main;idle 2" | head -c 200000000 | gzip -9 >bomb.gz
profcore top bomb.gz >top 2>errors || echo "status $?"
sed 's/[0-9]\{6,\}/N/g' errors
profcore top bomb.gz --max-memory 400 | head -n 3
profcore top bomb.gz --max-memory 100 >top 2>errors || echo "status $?"
cat errors

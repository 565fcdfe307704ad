i=0; while [ $i -lt 2000 ]; do echo "main;f$i $i"; i=$((i + 1)); done | profcore convert - -o whole.pb.gz
head -c $(($(wc -c < whole.pb.gz) - 500)) whole.pb.gz > half.pb.gz
profcore top half.pb.gz --strict -n 1 2>/dev/null || echo "exit $?"
profcore top half.pb.gz -n 1 -q || echo "exit $?"

mkfifo pipe
profcore top pipe &
tool=$!
exec 3>pipe
printf 'a;b 1\n' >&3
sleep 0.3
kill -INT $tool
sleep 0.2
exec 3>&-
wait $tool || echo "exit $?"

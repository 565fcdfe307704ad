profcore record -p 0 -o x.svg || echo "exit $?"
profcore record -p 1 -a -o x.svg || echo "exit $?"
profcore record -F 5000 -o x.svg || echo "exit $?"
profcore record -a -o x.pb.gz --group-by process || echo "exit $?"
profcore record --backend ptrace -a -o x.svg || echo "exit $?"
profcore record --stack-size 70000 -- true || echo "exit $?"
profcore record -a -o x.what || echo "exit $?"
profcore record --help | head -4

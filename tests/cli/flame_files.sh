printf 'main;parse;read 3\nmain;parse 1\nmain;print 2\n' >in.folded
profcore flame in.folded
profcore flame -q in.folded -o out.svg
ls
grep -c '<svg' out.svg
grep -c 'profcore-data' in.folded.html

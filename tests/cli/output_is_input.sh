printf 'b;c 1\na 2\n' > a.folded
profcore convert a.folded -o a.folded
cat a.folded

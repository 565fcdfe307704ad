printf 'main;parse;read 3\nmain;parse 1\nmain;print 2\n' >in.folded
profcore top in.folded --peek 'parse|main' --json

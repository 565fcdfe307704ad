printf 'main;parse;read 3\nmain;parse 1\nmain;print 2\nmain;parse;parse 4\n' | profcore top -

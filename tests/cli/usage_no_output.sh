printf 'a;b 1\n' >in.folded
profcore convert in.folded

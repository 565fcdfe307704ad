printf 'a;b 1\nno count here\nc;d 2\n' >in.folded
profcore convert --strict in.folded -o - --to collapsed

printf 'main;parse;read 3\nmain;parse 1\nmain;print 2\n' >in.folded
profcore convert in.folded --focus 'pa.se' --hide '^main$' -o - --to collapsed
profcore convert in.folded --ignore read -o - --to collapsed

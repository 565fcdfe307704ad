printf 'main;parse;read 3\nmain;parse 1\nmain;print 2\n' >in.folded
profcore convert in.folded -o a.pb.gz
profcore convert a.pb.gz -o -  --to collapsed
profcore convert a.pb.gz a.pb.gz -o - --to collapsed

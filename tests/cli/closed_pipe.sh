awk 'BEGIN { for (i = 0; i < 50000; i++) print "main;f" i ";g" i " 1" }' >in.folded
profcore convert in.folded -o - --to collapsed | head -n 1

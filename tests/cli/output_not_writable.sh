printf 'a;b 1\n' | profcore convert - -o /nonexistent/out.pb.gz

printf 'a;b 1\n' > a.folded
profcore convert a.folded --collapsed-type cpu/ms -o cpu.pb.gz
profcore flame a.folded cpu.pb.gz --types
profcore diff a.folded cpu.pb.gz || echo "exit $?"
profcore top a.folded cpu.pb.gz --type cpu
NO_COLOR=1 profcore top a.folded --color=always --type x || echo "exit $?"

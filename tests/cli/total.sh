python3 "$TEST_DIR/threads_profile.py"
profcore top threads.pb --total --tree
profcore top threads.pb --total --compat deepflow --tree
profcore convert threads.pb --total -o - --to collapsed --focus vfs_read
printf 'main;f 3\nmain;g 1\n' >a.folded
profcore top a.folded --total || echo "exit $?"
profcore record --total -p 1 -o x.svg || echo "exit $?"
profcore record --total --name nginx -o x.svg || echo "exit $?"
profcore record --compat what -a -o x.svg || echo "exit $?"

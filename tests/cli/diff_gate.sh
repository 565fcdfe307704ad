printf 'main;a 100\nmain;b 100\n' >before.folded
printf 'main;a 104\nmain;b 100\n' >after.folded
profcore diff before.folded after.folded --fail-over 5 >/dev/null
printf 'main;a 130\nmain;b 100\n' >after.folded
profcore diff before.folded after.folded --fail-over 5 >/dev/null

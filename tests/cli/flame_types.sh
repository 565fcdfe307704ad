printf 'main;parse;read 3\n' | profcore flame - --types --collapsed-type cpu/microseconds

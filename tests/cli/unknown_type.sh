printf 'a;b 1\n' | profcore top - --type wall

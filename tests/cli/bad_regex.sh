printf 'a;b 1\n' | profcore top - --focus '('

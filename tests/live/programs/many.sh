#!/bin/sh
# Four at a time, short programs one after the other: what a build or a busy shell does to a host.
# Usage: many.sh SECONDS FOLDER (of scratch files)
end=$(($(date +%s) + $1))
folder=$2
cat >"$folder/many.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
int main(int argc, char **argv) {
  qsort(argv, (size_t)argc, sizeof *argv, compare);
  for (int i = 0; i < argc; ++i) printf("%d %s\n", i, argv[i]);
  return 0;
}
C
[ -x /usr/bin/python3 ] && python=/usr/bin/python3 || python=python3
one() {
  while [ "$(date +%s)" -lt "$end" ]; do
    cc -O2 -c "$folder/many.c" -o "$folder/many-$1.o"
    $python -c 'import re, json; [re.findall("(a+)+b", "aaab" * 40) for _ in range(300)]; json.dumps(list(range(20000)))'
    perl -e 'my %h; $h{$_ % 977} .= $_ for 1 .. 60000; print scalar(keys %h), "\n"' >/dev/null
    ls -lR /usr/include >/dev/null
  done
}
one 1 & one 2 & one 3 & one 4 &
wait

profcore --help
for command in convert top flame diff events check; do profcore $command -h >/dev/null; profcore $command --help | grep -q Examples; done

profcore --help
for command in convert top flame diff check; do profcore $command -h >/dev/null; profcore $command --help | grep -q Examples; done

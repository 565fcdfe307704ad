for command in convert top flame diff check; do
  profcore $command --help | awk '/^ .*--/ && length > 80 && !/^  profcore|\|/'
done

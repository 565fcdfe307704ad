printf 'a\033[2J;b 1\n\033]0;x\007 y\nz;\001 2\n' > a.folded
profcore top --format collapsed a.folded
profcore convert --format collapsed a.folded --to collapsed -o -
profcore top --format collapsed a.folded --collapsed-type "$(printf '\033[2J')/count" --type x || echo "exit $?"

profcore top - - || echo "exit $?"
profcore diff - - || echo "exit $?"

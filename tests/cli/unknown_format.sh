head -c 300 /dev/zero >zeros
profcore top zeros

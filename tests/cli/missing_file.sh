profcore top no-such-file

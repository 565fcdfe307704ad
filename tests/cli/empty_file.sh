: >empty
profcore top empty

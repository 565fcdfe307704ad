printf "main;a 5000000\n" >block.folded
go="--collapsed-type delay/nanoseconds --language go"
profcore metrics block.folded $go
cp block.folded mutex.folded
profcore metrics mutex.folded $go
cp block.folded delay.folded
profcore metrics delay.folded $go
profcore metrics delay.folded $go --delay mutex --variant corrected
profcore metrics delay.folded --collapsed-type cpu-time/nanoseconds --start 1000000000 --end 1010000000 --to line

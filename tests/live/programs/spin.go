// Spins below a few Go frames, and makes garbage: the collector works on stacks of its own.
// Usage: spin SECONDS
package main

import (
	"os"
	"strconv"
	"time"
)

var sink uint64

type node struct {
	next *node
	data [4]uint64
}

var kept *node

//go:noinline
func leaf(rounds int) {
	for i := 0; i < rounds; i++ {
		sink = sink*6364136223846793005 + 1
	}
}

//go:noinline
func level(depth int) {
	if depth == 0 {
		leaf(20000)
		for i := 0; i < 500; i++ {
			kept = &node{next: kept}
		}
		if sink%64 == 0 {
			kept = nil
		}
	} else {
		level(depth - 1)
	}
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	for end := time.Now().Add(time.Duration(seconds * 1e9)); time.Now().Before(end); {
		level(6)
	}
}

// Command gopprof times profile.Parse of google/pprof on a file that is already in memory.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
)

func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib
		}
	}
	return 0
}

// Of all threads, the collector's included.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: %s FILE RUNS", os.Args[0])
	}
	runs, err := strconv.Atoi(os.Args[2])
	if err != nil || runs < 1 {
		return fmt.Errorf("not a number of runs: %q", os.Args[2])
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	for i := 0; i < runs; i++ {
		// The profile of the run before must not be collected on this run's time.
		runtime.GC()
		cpu := cpuSeconds()
		start := time.Now()
		p, err := profile.Parse(bytes.NewReader(data))
		took := time.Since(start)
		cpu = cpuSeconds() - cpu
		if err != nil {
			return err
		}
		var sum int64
		for _, s := range p.Sample {
			if len(s.Value) > 0 {
				sum += s.Value[0]
			}
		}
		fmt.Printf("google/pprof\t%d\t%.6f\t%d\t%d\t%d\t%.6f\n",
			len(data), took.Seconds(), peakRSS(), len(p.Sample), sum, cpu)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

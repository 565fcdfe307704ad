// Prints what google/pprof reads from stdin in the form of ../dump_profile.cpp.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/google/pprof/profile"
)

func escape(s string) string {
	if s == "" {
		return "%"
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9',
			strings.IndexByte("_./-", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func flags(m *profile.Mapping) int {
	bits := 0
	for i, set := range []bool{m.HasFunctions, m.HasFilenames, m.HasLineNumbers, m.HasInlineFrames} {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

func list[T any](items []T, separator string, text func(T) string) string {
	if len(items) == 0 {
		return "%"
	}
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = text(item)
	}
	return strings.Join(parts, separator)
}

func labels(s *profile.Sample) string {
	var out []string
	for key, texts := range s.Label {
		for _, text := range texts {
			out = append(out, fmt.Sprintf("s:%s=%s", escape(key), escape(text)))
		}
	}
	for key, numbers := range s.NumLabel {
		for i, number := range numbers {
			unit := ""
			if units := s.NumUnit[key]; i < len(units) {
				unit = units[i]
			}
			out = append(out, fmt.Sprintf("n:%s=%d:%s", escape(key), number, escape(unit)))
		}
	}
	sort.Strings(out)
	return list(out, ";", func(s string) string { return s })
}

func main() {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	p, err := profile.ParseData(data)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	period := p.PeriodType
	if period == nil {
		period = &profile.ValueType{}
	}
	fmt.Fprintf(w, "period_type %s %s\n", escape(period.Type), escape(period.Unit))
	fmt.Fprintf(w, "period %d\ntime %d\nduration %d\n", p.Period, p.TimeNanos, p.DurationNanos)
	fmt.Fprintf(w, "default %s\ndoc %s\n", escape(p.DefaultSampleType), escape(p.DocURL))
	fmt.Fprintf(w, "drop %s\nkeep %s\n", escape(p.DropFrames), escape(p.KeepFrames))
	for _, comment := range p.Comments {
		fmt.Fprintf(w, "comment %s\n", escape(comment))
	}
	for _, t := range p.SampleType {
		fmt.Fprintf(w, "type %s %s\n", escape(t.Type), escape(t.Unit))
	}
	for _, m := range p.Mapping {
		fmt.Fprintf(w, "mapping %d %x %x %x %s %s %d\n", m.ID, m.Start, m.Limit, m.Offset,
			escape(m.File), escape(m.BuildID), flags(m))
	}
	for _, l := range p.Location {
		mapping, folded := uint64(0), 0
		if l.Mapping != nil {
			mapping = l.Mapping.ID
		}
		if l.IsFolded {
			folded = 1
		}
		fmt.Fprintf(w, "location %d %x %d %d", l.ID, l.Address, mapping, folded)
		for _, line := range l.Line {
			f := line.Function
			if f == nil {
				f = &profile.Function{}
			}
			fmt.Fprintf(w, " %s|%s|%s|%d|%d|%d", escape(f.Name), escape(f.SystemName),
				escape(f.Filename), line.Line, line.Column, f.StartLine)
		}
		fmt.Fprintln(w)
	}
	for _, s := range p.Sample {
		fmt.Fprintf(w, "sample %s %s %s\n",
			list(s.Value, ",", func(v int64) string { return fmt.Sprint(v) }),
			list(s.Location, ",", func(l *profile.Location) string { return fmt.Sprint(l.ID) }),
			labels(s))
	}
}

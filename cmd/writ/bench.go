package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/bench"
	"github.com/writ-dev/writ/internal/store"
)

func runBench(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "bench", "[--callers 1,16,64] [--seconds 10] [--past-runs 0] [--database-url-file f --blobs-url-file f] [-o text|json]",
		"Measures the whole cycle from an alert to a lease proven dead, with the real control plane, store, signer and runner in one process and a connector that does nothing. It writes to a directory of its own and removes it; PostgreSQL databases must be empty, and are yours to drop afterwards.")
	callers := f.String("callers", "1,16,64", "how many repairs are under way at once; one measurement for each `number`")
	seconds := f.Int("seconds", 10, "how long each measurement takes, in `seconds`")
	past := f.Int("past-runs", 0, "a past of this `number` of runs, up to 100000, loaded first; 100000 take minutes and seven gigabytes")
	dir := f.String("dir", ".", "`directory` on the disk to measure")
	stateFile := f.String("database-url-file", "", "`file` of mode 0600 with the URL of an empty PostgreSQL database; without it, SQLite is measured")
	blobsFile := f.String("blobs-url-file", "", "`file` likewise, of another database for the blobs")
	format := f.String("o", "text", "output: text or json")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if *format != "text" && *format != "json" {
		return &usageError{fmt.Sprintf("-o %s is unknown", writ.Printable(*format, 20)), "use -o text or -o json"}
	}
	o := bench.Options{Time: time.Duration(*seconds) * time.Second, Past: *past, Dir: *dir}
	if (*stateFile == "") != (*blobsFile == "") {
		return &usageError{"PostgreSQL takes two databases", "name them with --database-url-file and --blobs-url-file"}
	}
	if *stateFile != "" {
		var err error
		if o.URL, err = store.ReadURL(*stateFile); err != nil {
			return err
		}
		if o.BlobURL, err = store.ReadURL(*blobsFile); err != nil {
			return err
		}
	}
	for s := range strings.SplitSeq(*callers, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil {
			return &usageError{fmt.Sprintf("--callers %s is no list of numbers", writ.Printable(*callers, 60)), "such as --callers 1,16,64"}
		}
		o.Callers = append(o.Callers, n)
	}
	r, err := bench.Run(ctx, o, func(s string) { fmt.Fprintln(a.stderr, s) })
	if err != nil {
		return err
	}
	return a.print(*format, r, func() { printBench(a.stdout, r) })
}

func printBench(out io.Writer, r bench.Report) {
	m := r.Machine
	fmt.Fprintf(out, "machine      %s, %d CPUs, %s/%s %s, %s, load %s when it began\n", m.CPU, m.CPUs, m.OS, m.Arch, m.Kernel, m.Go, m.Load)
	fmt.Fprintf(out, "disk         %s, fdatasync of 4 KiB: p50 %s, p99 %s\n", m.Disk, micros(r.Fdatasync.P50), micros(r.Fdatasync.P99))
	fmt.Fprintf(out, "store        %s\n", r.Engine)
	fmt.Fprintf(out, "commit       entry and row, durable, one caller: p50 %s, p99 %s; %.2f fdatasyncs\n\n", micros(r.Commit.P50), micros(r.Commit.P99), r.Ratio)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PAST RUNS\tSTART\tRECOVERY\tCALLERS\tCYCLES\tCYCLES/S\tP50\tP99\tEVIDENCE P50\tGRANTED P50\tRUN P50\tENTRIES/CYCLE\tWAITS/CYCLE")
	for _, c := range r.Cycles {
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%.1f\t%s\t%s\t%s\t%s\t%s\t%.1f\t%.1f\n", c.Past, micros(c.Start), micros(c.Recovery), c.Callers, c.Done, c.PerSecond, micros(c.Whole.P50), micros(c.Whole.P99),
			micros(c.Evidence.P50), micros(c.Granted.P50), micros(c.Run.P50), float64(c.Entries)/float64(max(c.Done, 1)), c.Waits)
	}
	w.Flush()
}

// micros renders microseconds with the unit that a person would use.
func micros(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 1e6:
		return fmt.Sprintf("%.1f ms", us/1000)
	}
	return fmt.Sprintf("%.2f s", us/1e6)
}

// Command guards proves that the tests of the invariants bite. For each guard in the table it takes the line out of
// the program, by an overlay that leaves the checkout alone, and demands that the test which is said to watch over it
// fails; and that it passes with the line in place.
//
//	go run ./internal/guards [-run REGEXP] [-jobs N]
//
// -run picks guards by "invariant file test". It prints a line per guard and exits 1 if one of them is unproven.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"sync"
	"time"
)

func main() {
	pick := flag.String("run", "", "only guards whose \"invariant file test\" matches this regular `expression`")
	jobs := flag.Int("jobs", 2, "how many go test `processes` run at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, table, *pick, *jobs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "guards:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// run checks the picked guards and returns how many are unproven.
func run(ctx context.Context, all []Guard, pick string, jobs int) (failed int, err error) {
	re, err := regexp.Compile(pick)
	if err != nil {
		return 0, err
	}
	root, err := checkout()
	if err != nil {
		return 0, err
	}
	var picked []Guard
	for _, g := range all {
		if re.MatchString(g.String()) {
			picked = append(picked, g)
		}
	}
	if len(picked) == 0 {
		return 0, fmt.Errorf("no guard matches %q", pick)
	}
	c := checker{root: root}
	c.passing(ctx, picked)
	var (
		report sync.Mutex
		group  sync.WaitGroup
		slots  = make(chan struct{}, max(jobs, 1))
	)
	for _, g := range picked {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			began := time.Now()
			err := c.check(ctx, g)
			report.Lock()
			defer report.Unlock()
			verdict := "caught"
			if err != nil {
				failed++
				verdict = "UNPROVEN"
			}
			fmt.Printf("%-8s %5.1fs  %s\n", verdict, time.Since(began).Seconds(), g)
			if err != nil {
				fmt.Printf("\t%v\n", err)
			}
		})
	}
	group.Wait()
	fmt.Printf("guards: %d caught, %d unproven\n", len(picked)-failed, failed)
	return failed, nil
}

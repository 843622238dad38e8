// Command policybench measures the same rules in Writ's policy engine, in embedded OPA and in CEL, in one run. It is a module of
// its own, so that neither is linked into Writ.
//
// A set of n rules is 5 grants, 5 limits and 5 requirements about every service, and n-15 limits about one service each.
// The request is about a service that one of those limits names, and is allowed. Writ decides and records the facts; OPA and
// CEL answer whether it is allowed, over an input that is converted before the clock starts. CEL has no policy sets: its rules
// are programs that are evaluated one after the other.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// An engine decides the request once; allowed is false on any error.
type engine interface {
	decide() (allowed bool)
}

func main() {
	runs := flag.Int("runs", 3000, "decisions of one goroutine")
	most := flag.Int("rules", 15000, "largest set")
	flag.Parse()
	fmt.Println("| engine | rules | load ms | heap MiB | p50 µs | p99 µs | allocations | decisions/s, all CPUs |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, n := range []int{15, 150, 1500, 15000} {
		if n > *most {
			break
		}
		for _, e := range []struct {
			name string
			load func(context.Context, int) (engine, error)
		}{{"Writ (Cedar)", loadWrit}, {"OPA", loadOPA}, {"CEL", loadCEL}} {
			if err := measure(e.name, n, *runs, e.load); err != nil {
				fmt.Fprintf(os.Stderr, "policybench: %s with %d rules: %v\n", e.name, n, err)
				os.Exit(1)
			}
		}
	}
}

func measure(name string, n, runs int, load func(context.Context, int) (engine, error)) error {
	before := heap()
	start := time.Now()
	e, err := load(context.Background(), n)
	if err != nil {
		return err
	}
	loaded := time.Since(start)
	kept := heap() - before
	if !e.decide() {
		return fmt.Errorf("the request is not allowed")
	}
	if one := timed(e); one > 5*time.Millisecond { // a slow engine is measured less often
		runs = max(runs/20, 20)
	}
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	took := make([]time.Duration, runs)
	for i := range took {
		took[i] = timed(e)
	}
	runtime.ReadMemStats(&m1)
	slices.Sort(took)
	start = time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for range runs {
				e.decide()
			}
		})
	}
	wg.Wait()
	all := float64(runs*runtime.GOMAXPROCS(0)) / time.Since(start).Seconds()
	fmt.Printf("| %s | %d | %.1f | %.1f | %.1f | %.1f | %d | %.0f |\n", name, n, ms(loaded), float64(kept)/(1<<20), us(took[runs/2]), us(took[runs*99/100]),
		(m1.Mallocs-m0.Mallocs)/uint64(runs), all)
	runtime.KeepAlive(e)
	return nil
}

func timed(e engine) time.Duration { start := time.Now(); e.decide(); return time.Since(start) }

func heap() int64 {
	runtime.GC() // twice: what pools hold goes with the second
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

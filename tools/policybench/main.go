// Command policybench measures the same rules in Writ's policy engine, in embedded OPA and in CEL, one after the other and
// each in a process of its own, so that none is charged for what another leaves behind. It is a module of its own, so that
// neither is linked into Writ.
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
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// An engine decides the request once; allowed is false on any error.
type engine interface {
	decide() (allowed bool)
}

// A maker is one engine by its name.
type maker struct {
	name string
	load func(context.Context, int) (engine, error)
}

var makers = []maker{{"Writ", loadWrit}, {"OPA", loadOPA}, {"CEL", loadCEL}}

func main() {
	runs := flag.Int("runs", 3000, "decisions of one goroutine")
	most := flag.Int("rules", 15000, "largest set; with -only the set")
	only := flag.String("only", "", "measure this engine alone, in this process")
	flag.Parse()
	if err := run(*runs, *most, *only); err != nil {
		fmt.Fprintf(os.Stderr, "policybench: %v\n", err)
		os.Exit(1)
	}
}

func run(runs, most int, only string) error {
	if i := slices.IndexFunc(makers, func(m maker) bool { return m.name == only }); i >= 0 {
		return measure(makers[i], most, runs)
	}
	if only != "" {
		return fmt.Errorf("there is no engine %q", only)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Println("| engine | rules | load ms | load cpu ms | heap MiB | p50 µs | p99 µs | cpu µs | allocations | decisions/s, all CPUs |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, m := range makers {
		for _, n := range []int{15, 150, 1500, 15000} {
			if n > most {
				break
			}
			c := exec.Command(self, "-only", m.name, "-rules", strconv.Itoa(n), "-runs", strconv.Itoa(runs))
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			if err := c.Run(); err != nil {
				return fmt.Errorf("%s with %d rules: %w", m.name, n, err)
			}
		}
	}
	return nil
}

func measure(m maker, n, runs int) error {
	before, computed := heap(), processor()
	start := time.Now()
	e, err := m.load(context.Background(), n)
	if err != nil {
		return err
	}
	loaded, loadCPU := time.Since(start), processor()-computed
	kept := heap() - before
	if !e.decide() {
		return fmt.Errorf("the request is not allowed")
	}
	if one := timed(e); one > 5*time.Millisecond { // a slow engine is measured less often
		runs = max(runs/20, 20)
	}
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	computed = processor()
	took := make([]time.Duration, runs)
	for i := range took {
		took[i] = timed(e)
	}
	each := (processor() - computed) / time.Duration(runs)
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
	fmt.Printf("| %s | %d | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %d | %.0f |\n", m.name, n, ms(loaded), ms(loadCPU), float64(kept)/(1<<20),
		us(took[runs/2]), us(took[runs*99/100]), us(each), (m1.Mallocs-m0.Mallocs)/uint64(runs), all)
	runtime.KeepAlive(e)
	return nil
}

func timed(e engine) time.Duration { start := time.Now(); e.decide(); return time.Since(start) }

// processor is what this process has computed so far, on all CPUs, collection of garbage included: on a machine that is
// shared it says more than the clock.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() int64 {
	runtime.GC() // twice: what pools hold goes with the second
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

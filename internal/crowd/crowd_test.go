package crowd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/crowd"
)

func enter(t *testing.T, c *crowd.Crowd, caller string) (leave func()) {
	t.Helper()
	leave, err := c.Enter(caller)
	if err != nil {
		t.Fatalf("%s is turned away: %v", caller, err)
	}
	return leave
}

func turned(t *testing.T, c *crowd.Crowd, caller string, want error) {
	t.Helper()
	callers, under := c.Kept()
	if leave, err := c.Enter(caller); !errors.Is(err, want) || leave != nil {
		t.Errorf("%s: %v, want %v", caller, err, want)
	}
	if a, b := c.Kept(); a != callers || b != under {
		t.Errorf("a call that was turned away is counted: %d callers with %d calls, before it %d with %d", a, b, callers, under)
	}
}

func empty(t *testing.T, c *crowd.Crowd) {
	t.Helper()
	if callers, under := c.Kept(); callers != 0 || under != 0 {
		t.Errorf("%d callers with %d calls are kept, and none is under way", callers, under)
	}
}

func TestI19ACallerIsLetInUpToItsBoundAndAgainWhenOneOfItsCallsEnds(t *testing.T) {
	c := crowd.New(10, 2)
	if c.Each() != 2 {
		t.Errorf("each has %d", c.Each())
	}
	first, second := enter(t, c, "a"), enter(t, c, "a")
	turned(t, c, "a", crowd.ErrCaller)
	other := enter(t, c, "b")
	first()
	third := enter(t, c, "a")
	turned(t, c, "a", crowd.ErrCaller)
	for _, leave := range []func(){second, third, other} {
		leave()
	}
	empty(t, c)
}

func TestI19AllCallersTogetherAreBoundedAndTheOneAtItsOwnBoundHearsOfThat(t *testing.T) {
	c := crowd.New(3, 2)
	leaves := []func(){enter(t, c, "a"), enter(t, c, "a"), enter(t, c, "b")}
	turned(t, c, "b", crowd.ErrAll)
	turned(t, c, "new", crowd.ErrAll)
	turned(t, c, "a", crowd.ErrCaller) // it may do something about it
	leaves[0]()
	leaves[0] = enter(t, c, "new")
	for _, leave := range leaves {
		leave()
	}
	empty(t, c)
}

func TestTheZeroCrowdLetsNobodyIn(t *testing.T) {
	if _, err := new(crowd.Crowd).Enter("a"); err == nil {
		t.Error("it lets somebody in")
	}
}

func TestI19TheDefaultIsBoundedForEachAndForAll(t *testing.T) {
	c := crowd.Default()
	under := 0
	for i := 0; ; i++ {
		caller, had := fmt.Sprint("agent-", i), under
		var err error
		for err == nil {
			if _, err = c.Enter(caller); err == nil {
				under++
			}
		}
		if errors.Is(err, crowd.ErrAll) {
			break
		}
		if under-had != c.Each() {
			t.Fatalf("%s has %d calls under way, want %d", caller, under-had, c.Each())
		}
	}
	if under < 8*c.Each() {
		t.Errorf("%d callers fill it with %d calls each", under/c.Each(), c.Each())
	}
}

// No text that callers are told apart by is kept once their calls have ended, however many there were.
func TestI19NothingIsKeptOfCallersThatHaveGone(t *testing.T) {
	c := crowd.New(4, 2)
	for i := range 10_000 {
		caller := fmt.Sprint("agent-", i)
		a, b := enter(t, c, caller), enter(t, c, caller)
		if callers, under := c.Kept(); callers != 1 || under != 2 {
			t.Fatalf("%d callers with %d calls", callers, under)
		}
		a()
		b()
	}
	empty(t, c)
}

// doors are two servers that count together, as those of agents do. A call says who it is and what becomes of it.
func doors(t *testing.T, c *crowd.Crowd, came chan<- struct{}, free <-chan struct{}) (urls [2]string) {
	t.Helper()
	for i := range urls {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			leave, err := c.Enter(r.URL.Query().Get("who"))
			if err != nil {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			defer leave()
			came <- struct{}{}
			switch r.URL.Query().Get("then") {
			case "panic":
				panic("a call that goes wrong")
			case "cancel":
				<-r.Context().Done()
			default:
				<-free
			}
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // the panics
		s.Start()
		t.Cleanup(s.Close)
		urls[i] = s.URL
	}
	return urls
}

func call(ctx context.Context, url, who, then string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"?who="+who+"&then="+then, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestI19TheCallsOfOneAgentAtBothOfItsDoorsAreCountedTogether(t *testing.T) {
	c := crowd.New(100, 2)
	came, free := make(chan struct{}), make(chan struct{})
	urls := doors(t, c, came, free)
	var under sync.WaitGroup
	for _, url := range urls {
		under.Go(func() {
			if code, err := call(t.Context(), url, "a", ""); code != http.StatusOK || err != nil {
				t.Errorf("let in: %d %v", code, err)
			}
		})
		<-came
	}
	for _, url := range urls {
		if code, err := call(t.Context(), url, "a", ""); code != http.StatusTooManyRequests || err != nil {
			t.Errorf("one too many: %d %v", code, err)
		}
	}
	close(free)
	under.Wait()
	empty(t, c)
}

// However a call ends, it is no longer counted: the agent would be shut out for ever.
func TestI19ACallThatPanicsOrThatItsCallerGaveUpIsCountedNoLonger(t *testing.T) {
	c := crowd.New(100, 1)
	came := make(chan struct{})
	urls := doors(t, c, came, nil)
	for round := range 3 {
		url := urls[round%2]
		done := make(chan error, 1)
		go func() {
			_, err := call(t.Context(), url, "a", "panic")
			done <- err
		}()
		<-came
		if err := <-done; err == nil {
			t.Error("the call that goes wrong was answered")
		}
		left(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := call(ctx, url, "a", "cancel")
			done <- err
		}()
		<-came
		turned(t, c, "a", crowd.ErrCaller)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		left(t, c)
	}
}

// left waits until the call that was given up has ended at the server, too.
func left(t *testing.T, c *crowd.Crowd) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		callers, under := c.Kept()
		if callers == 0 && under == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d callers with %d calls are kept, and none is under way", callers, under)
		}
	}
}

func TestI19TheBoundsHoldHoweverManyComeAtOnce(t *testing.T) {
	const most, each, callers, calls = 12, 3, 6, 2000
	c := crowd.New(most, each)
	var all atomic.Int64
	var by [callers]atomic.Int64
	var in, away atomic.Int64
	var under sync.WaitGroup
	for worker := range 4 * callers {
		under.Go(func() {
			who := worker % callers
			for range calls {
				leave, err := c.Enter(fmt.Sprint("agent-", who))
				if err != nil {
					away.Add(1)
					continue
				}
				in.Add(1)
				if n := all.Add(1); n > most {
					t.Errorf("%d calls are under way", n)
				}
				if n := by[who].Add(1); n > each {
					t.Errorf("caller %d has %d calls under way", who, n)
				}
				runtime.Gosched()
				by[who].Add(-1)
				all.Add(-1)
				leave()
			}
		})
	}
	under.Wait()
	if in.Load() == 0 || in.Load()+away.Load() != 4*callers*calls {
		t.Errorf("%d were let in and %d turned away", in.Load(), away.Load())
	}
	empty(t, c)
}

package storefront_test

import (
	"context"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/storefront"
)

// open starts a shop for one test.
func open(t *testing.T, c storefront.Config) *storefront.Shop {
	t.Helper()
	s, err := storefront.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// eventually polls until ok, for a time that only a shop which never gets there needs.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never seen: %s", what)
}

// settled waits until customers are served without an error.
func settled(t *testing.T, s *storefront.Shop) {
	t.Helper()
	eventually(t, "a healthy shop", func() bool {
		for _, name := range s.Services() {
			if r := s.Rates(name); r.Requests < 30 || r.ErrorPermille > 0 || r.UpstreamPermille > 0 {
				return false
			}
		}
		return true
	})
}

func TestABadReleaseRaisesErrorsAndTheOneBeforeEndsThem(t *testing.T) {
	s := open(t, storefront.Config{})
	settled(t, s)
	if err := s.Deploy(storefront.Checkout, "v42", "pipeline"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "errors of checkout", func() bool { return s.Rates(storefront.Checkout).ErrorPermille >= 250 })
	eventually(t, "customers who see them", func() bool { return s.Orders().Failed > 3 })
	if r := s.Rates(storefront.Storefront); r.ErrorPermille != 0 || r.UpstreamPermille == 0 {
		t.Errorf("storefront is blamed for checkout: %+v", r)
	}
	if err := s.Deploy(storefront.Checkout, "v41", "pipeline"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return s.Rates(storefront.Checkout).ErrorPermille == 0 })
}

// unhurried makes each order of checkout wait long for the outside world. Slots then fill with waiting and not with
// work, at a rate that a machine which is busy with other things can keep: what is measured is the shop, not the machine.
func unhurried(t *testing.T, s *storefront.Shop) {
	t.Helper()
	if err := s.SetFault(storefront.Checkout, storefront.Fault{Delay: 220 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
}

// Rates that go with unhurried: an order holds a slot of checkout for a quarter of a second, and a replica has two.
const (
	calm  = 10 // two or three slots; three replicas have six, one has two
	surge = 40 // ten slots; eight replicas have sixteen
)

func TestTooFewReplicasRefuseRequestsAndMoreEndThat(t *testing.T) {
	s := open(t, storefront.Config{Rate: calm})
	unhurried(t, s)
	settled(t, s)
	if err := s.Scale(storefront.Checkout, 1, "somebody"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "refused requests", func() bool { return s.Rates(storefront.Checkout).ErrorPermille >= 60 })
	if err := s.Scale(storefront.Checkout, 4, "somebody"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return s.Rates(storefront.Checkout).ErrorPermille == 0 })
}

func TestASlowReleaseFillsTheSlots(t *testing.T) {
	s := open(t, storefront.Config{})
	settled(t, s)
	if err := s.Deploy(storefront.Checkout, "v43", "pipeline"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "slow answers and refused requests", func() bool {
		r := s.Rates(storefront.Checkout)
		return r.ErrorPermille >= 60 && r.Median > 100*time.Millisecond
	})
}

func TestAFlagBreaksAndAnotherRepairs(t *testing.T) {
	s := open(t, storefront.Config{})
	settled(t, s)
	if err := s.Switch(storefront.Checkout, "one-click", true, "marketing"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "errors of the flag", func() bool { return s.Rates(storefront.Checkout).ErrorPermille >= 200 })
	if err := s.Switch(storefront.Checkout, "one-click", false, "marketing"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return s.Rates(storefront.Checkout).ErrorPermille == 0 })
	if err := s.SetFault(storefront.Payments, storefront.Fault{Errors: 500}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "errors of the gateway", func() bool { return s.Rates(storefront.Payments).ErrorPermille >= 400 })
	if err := s.Deploy(storefront.Payments, "v18", "pipeline"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no help from another release", func() bool { return s.Rates(storefront.Payments).ErrorPermille >= 400 })
	if err := s.Switch(storefront.Payments, "backup-gateway", true, "payments"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return s.Rates(storefront.Payments).ErrorPermille == 0 })
}

func TestARestartRepairsWedgedReplicas(t *testing.T) {
	s := open(t, storefront.Config{})
	settled(t, s)
	if err := s.Wedge(storefront.Catalog); err != nil {
		t.Fatal(err)
	}
	eventually(t, "errors of wedged replicas", func() bool { return s.Rates(storefront.Catalog).ErrorPermille >= 400 })
	if err := s.Deploy(storefront.Catalog, "v7", "pipeline"); err != nil { // the same release, new processes
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return s.Rates(storefront.Catalog).ErrorPermille == 0 })
}

func TestASurgeNeedsMoreReplicas(t *testing.T) {
	s := open(t, storefront.Config{Rate: calm})
	unhurried(t, s)
	settled(t, s)
	if err := s.SetRate(surge); err != nil {
		t.Fatal(err)
	}
	eventually(t, "refused requests", func() bool { return s.Rates(storefront.Checkout).ErrorPermille >= 60 })
	if err := s.Scale(storefront.Checkout, 8, "somebody"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return s.Rates(storefront.Checkout).ErrorPermille == 0 })
}

func TestStopEndsEverything(t *testing.T) {
	s := open(t, storefront.Config{})
	settled(t, s)
	s.Stop()
	s.Stop()
	n := s.Orders().Sent
	if err := s.Plant(context.Background(), storefront.Checkout, "anybody there"); err == nil {
		t.Error("a stopped service answers")
	}
	if got := s.Orders().Sent; got != n {
		t.Errorf("%d orders after the end", got-n)
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	if _, err := storefront.Start(context.Background(), storefront.Config{Rate: storefront.MaxRate + 1}); err == nil {
		t.Error("an excessive rate was taken")
	}
	s := open(t, storefront.Config{Rate: -1})
	for name, err := range map[string]error{
		"service":  s.Deploy("nothing", "v1", "x"),
		"release":  s.Deploy(storefront.Checkout, "v99", "x"),
		"replicas": s.Scale(storefront.Checkout, 0, "x"),
		"flag":     s.Switch(storefront.Checkout, "nothing", true, "x"),
		"fault":    s.SetFault(storefront.Checkout, storefront.Fault{Errors: 2000}),
		"rate":     s.SetRate(-1),
		"twice":    s.Open(storefront.Checkout),
		"name":     s.Open("../x"),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

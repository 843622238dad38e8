package storefront_test

import (
	"net/http"
	"testing"

	"github.com/writ-dev/writ/internal/storefront"
)

// The change is made, its answer gets lost, and somebody else touches the object: neither its version nor its last key say whose
// state it is. The next change is answered again.
func TestALostAnswerLeavesNoTraceOfWhoseChangeItWas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, scope, body, field string }{
		"a service": {"/services/checkout", "setRelease:checkout", `{"release":"v40"}`, "release"},
		"a flag":    {"/services/payments/flags/backup-gateway", "setFlag:payments/backup-gateway", `{"on":true}`, "on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storefront.Config{Rate: -1})
			read := admin{T: t, shop: s}.with(storefront.ClientReader, storefront.ScopeRead)
			write := admin{T: t, shop: s}.with(storefront.ClientT1, c.scope)
			before := read.send("GET", c.path, "", nil)
			to := c.path
			if c.field == "release" {
				to += "/release"
			}
			s.LoseNextAnswer()
			got := write.send("PUT", to, c.body, map[string]string{"If-Match": before.etag, "Idempotency-Key": "plan.1", "Content-Type": "application/json"})
			if got.status != http.StatusBadGateway {
				t.Fatalf("it is answered %d %v", got.status, got.json)
			}
			after := read.send("GET", c.path, "", nil)
			if after.etag == before.etag || after.json[c.field] == before.json[c.field] || after.json["changed_by"] != "night-shift" || after.json["changed_key"] == "plan.1" {
				t.Errorf("it was %v and is %v", before.json, after.json)
			}
			again := write.send("PUT", to, c.body, map[string]string{"If-Match": after.etag, "Idempotency-Key": "plan.2", "Content-Type": "application/json"})
			if again.status != http.StatusOK {
				t.Errorf("the next is answered %d %v", again.status, again.json)
			}
		})
	}
}

// What failed right before a roll-out is known afterwards, and a change through the admin API, as a repair is, takes nothing from that.
func TestWhatFailedBeforeARollOutIsKnownAfterwards(t *testing.T) {
	t.Parallel()
	s := open(t, storefront.Config{})
	read := admin{T: t, shop: s}.with(storefront.ClientReader, storefront.ScopeRead)
	known := func() float64 {
		v, ok := read.send("GET", "/services/checkout/metrics", "", nil).json["before_release_permille"].(float64)
		if !ok {
			t.Fatal("it is not told")
		}
		return v
	}
	if v := known(); v != 0 {
		t.Errorf("%v before anything was rolled out", v)
	}
	if err := s.SetFault(storefront.Checkout, storefront.Fault{Errors: 600}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the fault", func() bool { return s.Rates(storefront.Checkout).ErrorPermille >= 300 })
	if err := s.Deploy(storefront.Checkout, "v40", "pipeline"); err != nil {
		t.Fatal(err)
	}
	if v := known(); v < 300 {
		t.Errorf("%v, though it failed before", v)
	}
	write := admin{T: t, shop: s}.with(storefront.ClientT1, "setRelease:checkout")
	now := read.send("GET", "/services/checkout", "", nil)
	if got := write.send("PUT", "/services/checkout/release", `{"release":"v41"}`, map[string]string{"If-Match": now.etag, "Content-Type": "application/json"}); got.status != http.StatusOK {
		t.Fatalf("%d %v", got.status, got.json)
	}
	if v := known(); v < 300 {
		t.Errorf("%v after a repair", v)
	}
}

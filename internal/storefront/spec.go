package storefront

import "time"

// Names of the services.
const (
	Storefront = "storefront" // what customers call; asks catalog and checkout
	Catalog    = "catalog"    // prices
	Checkout   = "checkout"   // takes orders; asks payments
	Payments   = "payments"
)

// A Release is one version of a service's code and how it behaves.
type Release struct {
	Name   string
	Note   string        // one line of its change log
	Errors int           // permille of requests that it fails
	Delay  time.Duration // that it adds to each request
}

// A flag of a service and what switching it on does.
type flagSpec struct {
	name    string
	title   string
	initial bool
	errors  int  // permille of requests that fail while it is on
	shields bool // while it is on, the fault of the outside world does not reach the service
}

// A spec is a service as the shop starts it.
type spec struct {
	name     string
	releases []Release // oldest first
	release  string
	replicas int
	slots    int           // requests that one replica works on at once; more are answered 503
	work     time.Duration // of a healthy request, without what it asks of others
	asks     []string
	flags    []flagSpec
}

// Bounds of replicas; the OpenAPI document repeats them.
const (
	MinReplicas = 1
	MaxReplicas = 8
)

// Checkout is the narrow place. At 50 orders a second and some 50 ms each it works on 2.5 orders at once; three
// replicas of two slots carry 6, one replica carries 2 and so refuses a part of them, and the slow release needs 10.
var specs = []spec{
	{
		name: Storefront, release: "v12", replicas: 2, slots: 16, work: 3 * time.Millisecond, asks: []string{Catalog, Checkout},
		releases: []Release{{Name: "v11", Note: "new footer"}, {Name: "v12", Note: "faster start page"}},
		flags:    []flagSpec{{name: "winter-theme", title: "snow on the start page"}},
	},
	{
		name: Catalog, release: "v7", replicas: 2, slots: 8, work: 3 * time.Millisecond,
		releases: []Release{{Name: "v6", Note: "prices with tax"}, {Name: "v7", Note: "search by colour"}, {Name: "v8", Note: "new price rules, incomplete", Errors: 400}},
	},
	{
		name: Checkout, release: "v41", replicas: 3, slots: 2, work: 30 * time.Millisecond, asks: []string{Payments},
		releases: []Release{
			{Name: "v40", Note: "gift cards"},
			{Name: "v41", Note: "clearer receipts"},
			{Name: "v42", Note: "new tax service, reads an address field that half the customers never filled", Errors: 350},
			{Name: "v43", Note: "fraud score on each order, computed in line", Delay: 160 * time.Millisecond},
		},
		flags: []flagSpec{{name: "one-click", title: "order with one click; loses the cart of returning customers", errors: 300}},
	},
	{
		name: Payments, release: "v19", replicas: 2, slots: 4, work: 12 * time.Millisecond,
		releases: []Release{{Name: "v18", Note: "receipt numbers"}, {Name: "v19", Note: "retries towards the bank"}},
		flags:    []flagSpec{{name: "backup-gateway", title: "charge through the second gateway", shields: true}},
	},
}

func (p spec) find(release string) (Release, bool) {
	for _, r := range p.releases {
		if r.Name == release {
			return r, true
		}
	}
	return Release{}, false
}

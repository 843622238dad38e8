package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// entries are all entries of the ledger, opened.
func (s *site) entries(t testing.TB) []ledger.Entry {
	t.Helper()
	var out []ledger.Entry
	for {
		page, _, err := s.person.Entries(t.Context(), int64(len(out)), writ.MaxPage)
		must(t, err)
		for _, p := range page {
			e, err := ledger.Open(p.Leaf)
			must(t, err)
			out = append(out, e)
		}
		if len(page) == 0 {
			return out
		}
	}
}

// count is how many entries of a kind the ledger has.
func count(all []ledger.Entry, kind writ.EntryKind) int {
	n := 0
	for _, e := range all {
		if e.Record.Kind == kind {
			n++
		}
	}
	return n
}

// An audited request is one that the API server itself has recorded.
type audited struct {
	Verb string `json:"verb"`
	URI  string `json:"requestURI"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	Object struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// account is the name of the ServiceAccount that made the request; empty if it was somebody else.
func (a audited) account() string {
	if !strings.HasPrefix(a.User.Username, "system:serviceaccount:") {
		return ""
	}
	return a.User.Username[strings.LastIndex(a.User.Username, ":")+1:]
}

// writes are the successful changes of a namespace's Deployment that Writ's accounts made, by the API server's audit
// log.
func (x *scene) writes() []audited {
	x.t.Helper()
	var out []audited
	for line := range strings.Lines(string(read(x.t, x.AuditLog))) {
		if !strings.HasSuffix(line, "\n") {
			continue // being written; a write is recorded before it is answered
		}
		if !strings.Contains(line, x.ns) {
			continue // another test's: there are many more of those, and to decode them takes long
		}
		var a audited
		must(x.t, json.Unmarshal([]byte(line), &a))
		changes := a.Verb == "create" || a.Verb == "update" || a.Verb == "patch" || strings.HasPrefix(a.Verb, "delete")
		if changes && a.Object.Namespace == x.ns && a.Object.Resource == "deployments" && a.Response.Code < 300 &&
			strings.HasPrefix(a.account(), "writ-") && !strings.Contains(a.URI, "dryRun=") {
			out = append(out, a)
		}
	}
	return out
}

// wantWrites demands how often Writ has changed the Deployment.
func (x *scene) wantWrites(want int) {
	x.t.Helper()
	if got := x.writes(); len(got) != want {
		x.t.Errorf("the API server recorded %d changes by Writ, want %d: %+v", len(got), want, got)
	}
}

// quiet waits until nothing runs and every lease is proven dead.
func (s *site) quiet(t *testing.T) {
	t.Helper()
	await(t, "the end of all runs and leases", func() (bool, string) {
		st, err := s.person.Status(t.Context())
		must(t, err)
		return st.Running == 0 && st.LeasesAlive == 0, fmt.Sprintf("%d runs, %d leases", st.Running, st.LeasesAlive)
	})
}

// verified exports the ledger and verifies it offline, in a directory of its own, with the trust file alone.
func (s *site) verified(t *testing.T) {
	t.Helper()
	s.quiet(t)
	bundle := t.TempDir() + "/all.bundle"
	s.wantCLI(t, 0, you, "ledger", "export", "-f", bundle)
	s.heard(string(read(t, bundle)))
	// 6 is "cannot tell": no witness has cosigned, and no checkpoint was kept elsewhere. Nothing may be wrong.
	r := s.run(t, s.dir, "ledger", "verify", bundle, "--trust", s.in.Verify, "-o", "json")
	var report struct {
		Altered  struct{ Verdict string } `json:"nothing_altered"`
		Missing  struct{ Verdict string } `json:"nothing_missing"`
		Author   struct{ Verdict string } `json:"authority"`
		Findings []any                    `json:"findings"`
		Complete bool                     `json:"complete"`
	}
	must(t, json.Unmarshal([]byte(r.out), &report))
	if r.code != 0 && r.code != 6 || report.Altered.Verdict != "ok" || report.Author.Verdict != "ok" || report.Missing.Verdict == "violated" || len(report.Findings) != 0 || !report.Complete {
		t.Errorf("verify ended with %d: %s%s", r.code, r.out, r.err)
	}
	// One changed byte is found.
	b := read(t, bundle)
	at := strings.Index(string(b), `"leaf"`)
	if at < 0 {
		at = len(b) / 2
	}
	b[at+60] ^= 1
	must(t, os.WriteFile(bundle, b, 0o600))
	if r := s.run(t, s.dir, "ledger", "verify", bundle, "--trust", s.in.Verify); r.code != 5 {
		t.Errorf("verify ended with %d for an altered bundle: %s%s", r.code, r.out, r.err)
	}
}

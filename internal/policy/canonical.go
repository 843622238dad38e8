package policy

import (
	"encoding/json"
	"strconv"

	"github.com/writ-dev/writ/internal/canon"
)

// canonical returns the RFC 8785 form of the facts.
func (f *Facts) canonical() (json.RawMessage, error) { return f.append(make([]byte, 0, 1280)) }

// append appends the RFC 8785 form of the facts to dst. It is written by hand, since it is made for every decision; a
// test compares it with canon.Marshal, which also is what it falls back to for text that needs escapes.
func (f *Facts) append(dst []byte) ([]byte, error) {
	w := writer{b: dst, first: true}
	w.b = append(w.b, '{')
	w.int("approvalsOncall", f.ApprovalsOncall)
	w.int("approvalsOwner", f.ApprovalsOwner)
	if f.Arguments != nil {
		w.strings("arguments", f.Arguments)
	}
	if f.AutonomyLost { // likewise absent otherwise, as all that came later
		w.bool("autonomyLost", true)
	}
	if f.AutonomyTier != 0 {
		w.int("autonomyTier", f.AutonomyTier)
	}
	if f.Calendars != "" {
		w.string("calendars", f.Calendars)
	}
	w.bool("certified", f.Certified)
	if len(f.Chain) > 0 {
		w.strings("chain", f.Chain)
	}
	if f.ChangeFreezeUntil != nil {
		w.int("changeFreezeUntil", int(*f.ChangeFreezeUntil))
	}
	if f.ClaimFailed != "" {
		w.string("claimFailed", f.ClaimFailed)
	}
	for _, n := range [...]struct {
		name string
		of   int
	}{{"claims", f.Claims}, {"claimsAge", f.ClaimsAge}, {"claimsTrue", f.ClaimsTrue}} {
		if n.of != 0 { // absent otherwise, so that what was decided before they were recorded replays byte for byte
			w.int(n.name, n.of)
		}
	}
	w.bool("cluster", f.Cluster)
	w.optional("concurrent", f.Concurrent)
	if f.Emergency { // absent otherwise, so that what was decided before there was break-glass replays byte for byte
		w.bool("emergency", true)
	}
	w.string("env", f.Env)
	w.optional("evidenceAgeSeconds", f.EvidenceAgeSeconds)
	w.int("evidenceCount", f.EvidenceCount)
	w.bool("evidenceFresh", f.EvidenceFresh)
	w.optional("failures", f.Failures)
	w.optional("hops", f.Hops)
	if f.InWindow != nil {
		w.bool("inWindow", *f.InWindow)
	}
	w.string("incident", string(f.Incident))
	w.bool("incidentOpen", f.IncidentOpen)
	w.optional("maxObjects", f.MaxObjects)
	w.optional("maxPermille", f.MaxPermille)
	w.bool("newPlane", f.NewPlane)
	w.int("now", int(f.Now))
	w.bool("oncall", f.Oncall)
	if f.Owner.Iss != "" || f.Owner.Sub != "" {
		w.open("owner")
		w.string("iss", f.Owner.Iss)
		w.string("sub", f.Owner.Sub)
		w.close()
	}
	w.string("owningTeam", f.OwningTeam)
	w.optional("permille", f.Permille)
	w.strings("planes", f.Planes)
	w.optional("planesAfter", f.PlanesAfter)
	w.optional("previousRuns", f.PreviousRuns)
	w.open("principal")
	w.string("iss", f.Principal.Iss)
	w.string("kind", string(f.Principal.Kind))
	w.string("sub", f.Principal.Sub)
	w.close()
	w.int("proof", f.Proof)
	if f.Reach != 0 {
		w.int("reach", f.Reach)
	}
	if f.ReachBy != "" {
		w.string("reachBy", f.ReachBy)
	}
	w.bool("registered", f.Registered)
	if len(f.Roles) > 0 {
		w.strings("roles", f.Roles)
	}
	w.optional("sameFixRepeated", f.SameFixRepeated)
	w.bool("selfDiagnosed", f.SelfDiagnosed)
	w.string("service", f.Service)
	w.optional("severity", f.Severity)
	w.bool("stateful", f.Stateful)
	w.bool("suspended", f.Suspended)
	w.bool("tainted", f.Tainted)
	w.optional("targets", f.Targets)
	if f.Team != "" {
		w.string("team", f.Team)
	}
	w.int("tier", f.Tier)
	if len(f.TierBecause) > 0 {
		w.strings("tierBecause", f.TierBecause)
	}
	w.int("tierProof", f.TierProof)
	w.optional("ttl", f.TTL)
	w.bool("undo", f.Undo)
	w.optional("unsettled", f.Unsettled)
	if f.Veto != "" {
		w.string("veto", f.Veto)
	}
	w.b = append(w.b, '}')
	return w.b, w.err
}

// ParseFacts reads recorded facts back, as a replay does. It takes canonical bytes only: those that are written for what was
// read from them, byte for byte. So nothing in them was left out, stood twice or had another spelling.
func ParseFacts(b []byte) (Facts, error) {
	var f Facts
	err := new(FactsReader).Read(b, &f)
	return f, err
}

type writer struct {
	b     []byte
	first bool
	err   error
}

func (w *writer) key(k string) {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
	w.b = append(append(append(w.b, '"'), k...), '"', ':')
}

func (w *writer) open(k string) { w.key(k); w.b = append(w.b, '{'); w.first = true }
func (w *writer) close()        { w.b = append(w.b, '}'); w.first = false }

func (w *writer) int(k string, n int) { w.key(k); w.b = strconv.AppendInt(w.b, int64(n), 10) }

func (w *writer) optional(k string, n *int) {
	if n != nil {
		w.int(k, *n)
	}
}

func (w *writer) bool(k string, v bool) { w.key(k); w.b = strconv.AppendBool(w.b, v) }

func (w *writer) string(k, s string) { w.key(k); w.text(s) }

func (w *writer) strings(k string, list []string) {
	w.key(k)
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.text(s)
	}
	w.b = append(w.b, ']')
}

func (w *writer) text(s string) {
	if plain(s) {
		w.b = append(append(append(w.b, '"'), s...), '"')
		return
	}
	b, err := canon.Marshal(s)
	if err != nil {
		w.err = err
	}
	w.b = append(w.b, b...)
}

// plain reports whether JSON writes s as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

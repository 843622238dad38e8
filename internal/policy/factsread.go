package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// A FactsReader is ParseFacts for many facts: it keeps what it needs for the next, and the words, people and lists that come
// again and again. The zero FactsReader is ready; it is for one goroutine. Lists of different facts may be the same list, so
// nobody changes their elements.
type FactsReader struct {
	split   canon.Text
	again   []byte // the facts as they are written
	numbers []int  // for those that may be absent
	words   canon.Recall[string]
	lists   canon.Recall[[]string]
	people  canon.Recall[writ.Principal]
}

// Read is ParseFacts into f. On error f is undefined.
func (r *FactsReader) Read(b []byte, f *Facts) error {
	if r.split.Split(b) && r.ReadValue(r.split.Root(), f) {
		return nil
	}
	*f = Facts{}
	if json.Unmarshal(b, f) == nil && r.wrote(f, b) {
		return nil
	}
	*f = Facts{}
	return canon.Parse(b, f) // says what is wrong
}

// ReadValue is Read for facts that are already split, and says whether it could: false means that Read has to look.
func (r *FactsReader) ReadValue(v canon.Value, f *Facts) bool {
	*f = Facts{}
	return r.read(f, v) && r.wrote(f, v.Bytes())
}

// wrote reports whether b is what is written for f, byte for byte.
func (r *FactsReader) wrote(f *Facts, b []byte) bool {
	var err error
	r.again, err = f.append(r.again[:0])
	return err == nil && bytes.Equal(r.again, b)
}

// read fills f from canonical facts, and reports whether it could. It knows the common form only: text without escapes, and
// whole numbers. What was read is compared with the bytes, so a mistake here costs time and can pass for nothing.
func (r *FactsReader) read(f *Facts, facts canon.Value) bool {
	if !facts.IsObject() {
		return false
	}
	for name, value := range facts.Members() {
		if !r.member(f, string(name), value.Bytes()) {
			return false
		}
	}
	return true
}

func (r *FactsReader) member(f *Facts, name string, v []byte) bool {
	switch name {
	case "approvalsOncall":
		return readInt(v, &f.ApprovalsOncall)
	case "approvalsOwner":
		return readInt(v, &f.ApprovalsOwner)
	case "arguments":
		return r.texts(v, &f.Arguments)
	case "autonomyLost":
		return readBool(v, &f.AutonomyLost)
	case "autonomyTier":
		return readInt(v, &f.AutonomyTier)
	case "calendars":
		return r.text(v, &f.Calendars)
	case "certified":
		return readBool(v, &f.Certified)
	case "chain":
		return r.texts(v, &f.Chain)
	case "changeFreezeUntil":
		return readUntil(v, &f.ChangeFreezeUntil)
	case "claimFailed":
		return r.text(v, &f.ClaimFailed)
	case "claims":
		return readInt(v, &f.Claims)
	case "claimsAge":
		return readInt(v, &f.ClaimsAge)
	case "claimsTrue":
		return readInt(v, &f.ClaimsTrue)
	case "cluster":
		return readBool(v, &f.Cluster)
	case "concurrent":
		return r.maybe(v, &f.Concurrent)
	case "emergency":
		return readBool(v, &f.Emergency)
	case "env":
		return r.text(v, &f.Env)
	case "evidenceAgeSeconds":
		return r.maybe(v, &f.EvidenceAgeSeconds)
	case "evidenceCount":
		return readInt(v, &f.EvidenceCount)
	case "evidenceFresh":
		return readBool(v, &f.EvidenceFresh)
	case "failures":
		return r.maybe(v, &f.Failures)
	case "hops":
		return r.maybe(v, &f.Hops)
	case "inWindow":
		f.InWindow = new(bool)
		return readBool(v, f.InWindow)
	case "incident":
		return r.incident(v, &f.Incident)
	case "incidentOpen":
		return readBool(v, &f.IncidentOpen)
	case "maxObjects":
		return r.maybe(v, &f.MaxObjects)
	case "maxPermille":
		return r.maybe(v, &f.MaxPermille)
	case "newPlane":
		return readBool(v, &f.NewPlane)
	case "now":
		return readInt(v, &f.Now)
	case "oncall":
		return readBool(v, &f.Oncall)
	case "owner":
		return r.owner(v, &f.Owner)
	case "owningTeam":
		return r.text(v, &f.OwningTeam)
	case "permille":
		return r.maybe(v, &f.Permille)
	case "planes":
		return r.texts(v, &f.Planes)
	case "planesAfter":
		return r.maybe(v, &f.PlanesAfter)
	case "previousRuns":
		return r.maybe(v, &f.PreviousRuns)
	case "principal":
		return r.principal(v, &f.Principal)
	case "proof":
		return readInt(v, &f.Proof)
	case "reach":
		return readInt(v, &f.Reach)
	case "reachBy":
		return r.text(v, &f.ReachBy)
	case "registered":
		return readBool(v, &f.Registered)
	case "roles":
		return r.texts(v, &f.Roles)
	case "sameFixRepeated":
		return r.maybe(v, &f.SameFixRepeated)
	case "selfDiagnosed":
		return readBool(v, &f.SelfDiagnosed)
	case "service":
		return r.text(v, &f.Service)
	case "severity":
		return r.maybe(v, &f.Severity)
	case "stateful":
		return readBool(v, &f.Stateful)
	case "suspended":
		return readBool(v, &f.Suspended)
	case "tainted":
		return readBool(v, &f.Tainted)
	case "targets":
		return r.maybe(v, &f.Targets)
	case "team":
		return r.text(v, &f.Team)
	case "tier":
		return readInt(v, &f.Tier)
	case "tierBecause":
		return r.texts(v, &f.TierBecause)
	case "tierProof":
		return readInt(v, &f.TierProof)
	case "ttl":
		return r.maybe(v, &f.TTL)
	case "undo":
		return readBool(v, &f.Undo)
	case "unsettled":
		return r.maybe(v, &f.Unsettled)
	case "veto":
		return r.text(v, &f.Veto)
	}
	return false
}

func readInt[T int | int64](v []byte, to *T) bool {
	n, err := strconv.ParseInt(string(v), 10, 64)
	*to = T(n)
	return err == nil
}

func readUntil(v []byte, to **int64) bool {
	*to = new(int64)
	return readInt(v, *to)
}

func readBool(v []byte, to *bool) bool {
	*to = string(v) == "true"
	return *to || string(v) == "false"
}

// someNumbers is how many numbers are made at once: those of a few dozen facts.
const someNumbers = 512

func (r *FactsReader) maybe(v []byte, to **int) bool {
	if len(r.numbers) == 0 {
		r.numbers = make([]int, someNumbers)
	}
	*to, r.numbers = &r.numbers[0], r.numbers[1:]
	return readInt(v, *to)
}

// inside returns a string without its quotes. One with escapes is read elsewhere.
func inside(v []byte) ([]byte, bool) {
	if len(v) < 2 || v[0] != '"' || bytes.IndexByte(v, '\\') >= 0 {
		return nil, false
	}
	return v[1 : len(v)-1], true
}

func (r *FactsReader) text(v []byte, to *string) bool {
	plain, ok := inside(v)
	if ok {
		*to = canon.Word(&r.words, plain)
	}
	return ok
}

func (r *FactsReader) incident(v []byte, to *writ.IncidentID) bool {
	plain, ok := inside(v)
	return ok && to.UnmarshalText(plain) == nil
}

func (r *FactsReader) texts(v []byte, to *[]string) bool {
	var err error
	*to, err = r.lists.Get(v, readTexts)
	return err == nil
}

func (r *FactsReader) principal(v []byte, to *writ.Principal) bool {
	var err error
	*to, err = r.people.Get(v, readWho)
	return err == nil
}

// owner reads a person. A kind, which none has, is not written again.
func (r *FactsReader) owner(v []byte, to *writ.Person) bool {
	p, err := r.people.Get(v, readWho)
	to.Iss, to.Sub = p.Iss, p.Sub
	return err == nil
}

// errUncommon marks what is not of the common form.
var errUncommon = errors.New("of another form")

func readTexts(v []byte) ([]string, error) {
	out := []string{}
	err := canon.Elements(v, func(v []byte) error {
		plain, ok := inside(v)
		if !ok {
			return errUncommon
		}
		out = append(out, string(plain))
		return nil
	})
	return slices.Clip(out), err
}

func readWho(v []byte) (p writ.Principal, err error) {
	err = canon.Members(v, func(name, v []byte) error {
		plain, ok := inside(v)
		switch {
		case !ok:
			return errUncommon
		case string(name) == "iss":
			p.Iss = string(plain)
		case string(name) == "kind":
			p.Kind = writ.Kind(plain)
		case string(name) == "sub":
			p.Sub = string(plain)
		default:
			return errUncommon
		}
		return nil
	})
	return p, err
}

package policy

import (
	"bytes"
	"encoding"
	"strconv"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// read fills f from canonical facts, and reports whether it could. It knows the common form only: text without escapes, and
// whole numbers. ParseFacts compares what was read with the bytes, so a mistake here costs time and can pass for nothing.
func (f *Facts) read(b []byte) bool {
	ok := utf8.Valid(b)
	err := canon.Members(b, func(name, value []byte) error {
		ok = ok && f.member(string(name), value)
		return nil
	})
	return ok && err == nil
}

func (f *Facts) member(name string, v []byte) bool {
	switch name {
	case "approvalsOncall":
		return readInt(v, &f.ApprovalsOncall)
	case "approvalsOwner":
		return readInt(v, &f.ApprovalsOwner)
	case "arguments":
		f.Arguments = []string{}
		return readTexts(v, &f.Arguments)
	case "autonomyLost":
		return readBool(v, &f.AutonomyLost)
	case "autonomyTier":
		return readInt(v, &f.AutonomyTier)
	case "calendars":
		return readText(v, &f.Calendars)
	case "certified":
		return readBool(v, &f.Certified)
	case "chain":
		return readTexts(v, &f.Chain)
	case "changeFreezeUntil":
		return readMaybe(v, &f.ChangeFreezeUntil)
	case "claimFailed":
		return readText(v, &f.ClaimFailed)
	case "claims":
		return readInt(v, &f.Claims)
	case "claimsAge":
		return readInt(v, &f.ClaimsAge)
	case "claimsTrue":
		return readInt(v, &f.ClaimsTrue)
	case "cluster":
		return readBool(v, &f.Cluster)
	case "concurrent":
		return readMaybe(v, &f.Concurrent)
	case "emergency":
		return readBool(v, &f.Emergency)
	case "env":
		return readText(v, &f.Env)
	case "evidenceAgeSeconds":
		return readMaybe(v, &f.EvidenceAgeSeconds)
	case "evidenceCount":
		return readInt(v, &f.EvidenceCount)
	case "evidenceFresh":
		return readBool(v, &f.EvidenceFresh)
	case "failures":
		return readMaybe(v, &f.Failures)
	case "hops":
		return readMaybe(v, &f.Hops)
	case "inWindow":
		f.InWindow = new(bool)
		return readBool(v, f.InWindow)
	case "incident":
		return readText(v, &f.Incident)
	case "incidentOpen":
		return readBool(v, &f.IncidentOpen)
	case "maxObjects":
		return readMaybe(v, &f.MaxObjects)
	case "maxPermille":
		return readMaybe(v, &f.MaxPermille)
	case "newPlane":
		return readBool(v, &f.NewPlane)
	case "now":
		return readInt(v, &f.Now)
	case "oncall":
		return readBool(v, &f.Oncall)
	case "owner":
		return readWho(v, &f.Owner.Iss, nil, &f.Owner.Sub)
	case "owningTeam":
		return readText(v, &f.OwningTeam)
	case "permille":
		return readMaybe(v, &f.Permille)
	case "planes":
		f.Planes = []string{}
		return readTexts(v, &f.Planes)
	case "planesAfter":
		return readMaybe(v, &f.PlanesAfter)
	case "previousRuns":
		return readMaybe(v, &f.PreviousRuns)
	case "principal":
		return readWho(v, &f.Principal.Iss, &f.Principal.Kind, &f.Principal.Sub)
	case "proof":
		return readInt(v, &f.Proof)
	case "reach":
		return readInt(v, &f.Reach)
	case "reachBy":
		return readText(v, &f.ReachBy)
	case "registered":
		return readBool(v, &f.Registered)
	case "roles":
		return readTexts(v, &f.Roles)
	case "sameFixRepeated":
		return readMaybe(v, &f.SameFixRepeated)
	case "selfDiagnosed":
		return readBool(v, &f.SelfDiagnosed)
	case "service":
		return readText(v, &f.Service)
	case "severity":
		return readMaybe(v, &f.Severity)
	case "stateful":
		return readBool(v, &f.Stateful)
	case "suspended":
		return readBool(v, &f.Suspended)
	case "tainted":
		return readBool(v, &f.Tainted)
	case "targets":
		return readMaybe(v, &f.Targets)
	case "team":
		return readText(v, &f.Team)
	case "tier":
		return readInt(v, &f.Tier)
	case "tierBecause":
		return readTexts(v, &f.TierBecause)
	case "tierProof":
		return readInt(v, &f.TierProof)
	case "ttl":
		return readMaybe(v, &f.TTL)
	case "undo":
		return readBool(v, &f.Undo)
	case "unsettled":
		return readMaybe(v, &f.Unsettled)
	case "veto":
		return readText(v, &f.Veto)
	}
	return false
}

func readInt[T int | int64](v []byte, to *T) bool {
	n, err := strconv.ParseInt(string(v), 10, 64)
	*to = T(n)
	return err == nil
}

func readMaybe[T int | int64](v []byte, to **T) bool {
	*to = new(T)
	return readInt(v, *to)
}

func readBool(v []byte, to *bool) bool {
	*to = string(v) == "true"
	return *to || string(v) == "false"
}

func readText[T ~string](v []byte, to *T) bool {
	if len(v) < 2 || v[0] != '"' || bytes.IndexByte(v, '\\') >= 0 {
		return false
	}
	if u, closed := any(to).(encoding.TextUnmarshaler); closed { // it checks the form of what it reads
		return u.UnmarshalText(v[1:len(v)-1]) == nil
	}
	*to = T(v[1 : len(v)-1])
	return true
}

func readTexts(v []byte, to *[]string) bool {
	ok := true
	err := canon.Elements(v, func(v []byte) error {
		var s string
		ok = ok && readText(v, &s)
		*to = append(*to, s)
		return nil
	})
	return ok && err == nil
}

// readWho reads a person, or with a kind a principal.
func readWho(v []byte, iss *string, kind *writ.Kind, sub *string) bool {
	ok := true
	err := canon.Members(v, func(name, v []byte) error {
		switch {
		case string(name) == "iss":
			ok = ok && readText(v, iss)
		case string(name) == "sub":
			ok = ok && readText(v, sub)
		case string(name) == "kind" && kind != nil:
			ok = ok && readText(v, kind)
		default:
			ok = false
		}
		return nil
	})
	return ok && err == nil
}

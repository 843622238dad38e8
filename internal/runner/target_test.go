package runner_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

const targetName writ.Location = "fake://lab"

// fakeTarget is a control plane of things that have a value. It is scripted by its exported members, counts calls, and
// keeps what a real one would keep: objects with identity and version, credentials with power and identity.
type fakeTarget struct {
	*fakeState
	point func(string) // called around every call; may block, panic or take a snapshot

	// Scripts.
	LoseAnswer   map[string]bool // by step key: the call acts, and its answer is lost
	LoseCall     map[string]bool // the call never arrives, and nobody knows
	FailCall     map[string]writ.Reason
	Blind        bool // Settle cannot read
	Panic        map[string]bool
	DoTakes      time.Duration
	Unhelpful    bool // the effect does not help: fact healthy stays false
	HealthyAfter time.Duration
	MintFails    int // so many more times
	RevokeFails  int
	IdentityLag  time.Duration
	AlterSent    bool
	GuardFact    bool // fact ok
	Unreachable  bool // readings fail
	UndoReason   writ.Reason
	UndoUnknown  bool
	OwnTier      writ.Tier // tier of fake/thing.set in the catalogue
	Units        []writ.Units
	Permille     int // of a step
}

type fakeState struct {
	mu     sync.Mutex
	things map[string]thing
	leases map[string]*credential
	dos    map[string]int // calls that reached the target, by step key
	undos  map[string]int
	mints  int
	order  []string // of effects on things
	helped time.Time
}

type thing struct {
	UID     string `json:"uid"`
	Version int    `json:"version"`
	Value   string `json:"value"`
}

type credential struct {
	Undo    bool
	Keys    []string
	Kept    bool // the runner was given a handle
	Power   bool
	Revoked time.Time
}

func newTarget() *fakeTarget {
	return &fakeTarget{
		fakeState: &fakeState{
			things: map[string]thing{"a": {"uid-a", 1, "old"}, "b": {"uid-b", 1, "old"}, "c": {"uid-c", 1, "old"}},
			leases: map[string]*credential{}, dos: map[string]int{}, undos: map[string]int{},
		},
		point: func(string) {}, GuardFact: true, OwnTier: writ.T1, Permille: 100,
		LoseAnswer: map[string]bool{}, LoseCall: map[string]bool{}, FailCall: map[string]writ.Reason{}, Panic: map[string]bool{},
	}
}

// clone copies the world, not the script's hooks.
func (f *fakeTarget) clone() *fakeTarget {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := *f
	c.point = func(string) {}
	c.fakeState = &fakeState{
		things: maps.Clone(f.things), leases: map[string]*credential{}, dos: maps.Clone(f.dos), undos: maps.Clone(f.undos),
		mints: f.mints, order: append([]string(nil), f.order...), helped: f.helped,
	}
	for n, l := range f.leases {
		k := *l
		c.leases[n] = &k
	}
	return &c
}

func (f *fakeTarget) Target() writ.Location { return targetName }

func (f *fakeTarget) Catalogue() connector.Catalogue {
	params := []connector.Parameter{
		{Name: "name", Type: connector.TypeName, Title: "which"},
		{Name: "value", Type: connector.TypeName, Title: "what"},
	}
	return connector.Catalogue{
		Plane: "fake",
		Operations: []connector.Operation{
			{Name: "fake/thing.set", Title: "Set", Parameters: params, Tier: f.OwnTier, Inverse: writ.InverseReplace, Rights: []string{"write things"}},
			{Name: "fake/thing.replace", Title: "Replace", Parameters: params, Tier: writ.T2, Inverse: writ.InverseReplace, Rights: []string{"write things"}},
		},
		Readers: []connector.Reader{{Name: "fake/thing.status", Title: "Status", Facts: []connector.Fact{
			{Name: "healthy", Type: connector.TypeBool, Title: "works"}, {Name: "ok", Type: connector.TypeBool, Title: "may be touched"},
		}}},
	}
}

func (f *fakeTarget) Observe(_ context.Context, q connector.Query) (connector.Reading, error) {
	f.point("observe")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Unreachable {
		return connector.Reading{}, writ.Refuse(writ.ReasonUnreachable, "the target does not answer")
	}
	healthy := !f.Unhelpful && !f.helped.IsZero() && time.Since(f.helped) >= f.HealthyAfter
	return connector.Reading{
		Source: "fake", At: time.Now(), Bytes: []byte("fine"),
		Facts: writ.Observation{"healthy": writ.Bool(healthy), "ok": writ.Bool(f.GuardFact)},
	}, nil
}

func (f *fakeTarget) Plan(_ context.Context, d connector.Draft) (connector.Prepared, error) {
	f.point("plan")
	f.mu.Lock()
	defer f.mu.Unlock()
	name, _ := d.With["name"].Str()
	value, _ := d.With["value"].Str()
	t, ok := f.things[name]
	switch {
	case f.Unreachable:
		return connector.Prepared{}, writ.Refuse(writ.ReasonUnreachable, "the target does not answer")
	case !ok:
		return connector.Prepared{}, writ.Refuse(writ.ReasonNoObject, "no such thing")
	case t.Value == value:
		return connector.Prepared{}, writ.Refuse(writ.ReasonNoChange, "it is so already")
	}
	step := writ.Step{
		Key: d.Key, Operation: d.Operation, With: d.With, Tier: writ.T1, Title: "Set " + name + " to " + value,
		Object:  writ.Object{Location: targetName + writ.Location("/things/"+name), UID: t.UID, Version: fmt.Sprint(t.Version)},
		Call:    writ.Call{Method: "PUT", Path: "/things/" + name, ContentType: "text/plain"},
		Diff:    []writ.Change{{Path: "value", Before: t.Value, After: value}},
		Inverse: writ.Inverse{Kind: writ.InverseReplace, Title: "Put " + t.Value + " back"},
		Blast:   writ.Blast{Objects: 1, Replicas: 1, Permille: f.Permille}, Units: slices.Clone(f.Units), TimeoutSeconds: 20,
	}
	if d.Operation == "fake/thing.replace" {
		step.Tier = writ.T2
	}
	var salt [writ.SaltSize]byte
	rand.Read(salt[:])
	return connector.Seal(step, salt, []byte(value), []byte(t.Value)), nil
}

func (f *fakeTarget) Revert(_ context.Context, r connector.Reversal) (connector.Prepared, error) {
	f.point("revert")
	f.mu.Lock()
	defer f.mu.Unlock()
	name, _ := r.Of.Step.With["name"].Str()
	t := f.things[name]
	left := string(r.Of.Body)
	var after thing
	if len(r.After) > 0 && json.Unmarshal(r.After, &after) == nil {
		left = after.Value
	}
	switch {
	case f.Unreachable:
		return connector.Prepared{}, writ.Refuse(writ.ReasonUnreachable, "the target does not answer")
	case t.Value == string(r.Of.Preimage):
		return connector.Prepared{}, writ.Refuse(writ.ReasonNoChange, "it is as it was")
	case t.Value != left:
		return connector.Prepared{}, writ.Refuse(writ.ReasonUndoConflict, name+" was changed by a colleague")
	}
	step := r.Of.Step
	step.Key, step.Reverts, step.Title, step.Object.Version = r.Key, r.Of.Step.Key, "Put "+name+" back", fmt.Sprint(t.Version)
	step.Diff = []writ.Change{{Path: "value", Before: t.Value, After: string(r.Of.Preimage)}}
	step.Call.Body, step.Inverse.Preimage = writ.Commitment{}, writ.Commitment{}
	var salt [writ.SaltSize]byte
	rand.Read(salt[:])
	return connector.Seal(step, salt, r.Of.Preimage, []byte(t.Value)), nil
}

func (f *fakeTarget) Lease(_ context.Context, r connector.LeaseRequest, keep func([]byte) error) (connector.Lease, error) {
	f.point("mint")
	f.mu.Lock()
	fails := f.MintFails > 0
	if fails {
		f.MintFails--
	} else {
		f.mints++
		if f.leases[r.Name] != nil {
			f.mu.Unlock()
			return nil, fmt.Errorf("name %s used twice", r.Name)
		}
		c := &credential{Undo: r.Undo}
		for _, s := range r.Steps {
			c.Keys = append(c.Keys, s.Step.Key)
		}
		f.leases[r.Name] = c
	}
	f.mu.Unlock()
	if fails {
		return nil, writ.Refuse(writ.ReasonUnreachable, "the issuer does not answer")
	}
	f.point("made")
	if err := keep([]byte("secret-" + r.Name)); err != nil {
		return nil, err
	}
	f.point("kept")
	f.mu.Lock()
	f.leases[r.Name].Kept, f.leases[r.Name].Power = true, true
	f.mu.Unlock()
	f.point("minted")
	return &fakeLease{f, r.Name}, nil
}

func (f *fakeTarget) Reopen(r connector.LeaseRequest, handle []byte) (connector.Lease, error) {
	if len(handle) > 0 && string(handle) != "secret-"+r.Name {
		return nil, fmt.Errorf("another lease's handle")
	}
	return &fakeLease{f, r.Name}, nil
}

// alive lists credentials that the target would still accept.
func (f *fakeTarget) alive() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for n, c := range f.leases {
		if c.Power || c.Revoked.IsZero() && c.Kept {
			out = append(out, n)
		}
	}
	return out
}

// values returns what the things are, in order of name.
func (f *fakeTarget) values() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.things["a"].Value + " " + f.things["b"].Value + " " + f.things["c"].Value
}

// calls returns how often forward calls reached the target, over all steps, and for the busiest step.
func (f *fakeTarget) calls() (all, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.dos {
		all += n
		most = max(most, n)
	}
	return all, most
}

// reset puts all things back, as nobody had ever touched them.
func (f *fakeTarget) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.things = map[string]thing{"a": {"uid-a", 1, "old"}, "b": {"uid-b", 1, "old"}, "c": {"uid-c", 1, "old"}}
}

package control

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/enrol"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

const (
	// inviteLife is how long a code is good: somebody carries it to a machine that is ready.
	inviteLife = 15 * time.Minute
	// maxGuesses failed enrolments in guessWindow are one person's typing errors; more are somebody else. A code cannot be
	// guessed, so this only bounds the work and the entries that strangers cause.
	maxGuesses  = 5
	guessWindow = time.Minute
	// maxKeys of one runner are its current one and the next.
	maxKeys = 2

	stateUsed = "used" // a code that was used, or took no effect
)

// An enrolRow is a key of a runner, or an invitation.
type enrolRow struct {
	Runner writ.RunnerID
	Public []byte `json:",omitempty"`
	By     writ.Principal
	Since  time.Time
	Until  *time.Time `json:",omitempty"`
	Reason string     `json:",omitempty"`
}

// loadKeys reads what runners may sign with.
func (c *Control) loadKeys(ctx context.Context) error {
	var all []enrolRow
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		all = nil
		for _, state := range []writ.RunnerKeyState{writ.RunnerEnrolled, writ.RunnerRemoved} { // entries that wait may be signed with an older key
			err := each(tx, store.Enrolments, string(state), func(d enrolRow, _ store.Row) error {
				all = append(all, d)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range all {
		c.learn(d.Runner, d.Public)
	}
	return nil
}

// learn lets a runner sign with a key on this replica. A key that is removed later still verifies what it signed before:
// its connection is what is refused.
func (c *Control) learn(runner writ.RunnerID, key ed25519.PublicKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.ContainsFunc(c.keys[runner], func(k ed25519.PublicKey) bool { return k.Equal(key) }) {
		c.keys[runner] = append(c.keys[runner], key)
	}
}

// runnerKey looks up what a runner may sign with.
func (c *Control) runnerKey(runner writ.RunnerID) ledger.Lookup {
	return func(id string) ed25519.PublicKey {
		if key := c.Runners[runner]; key != nil && id == ledger.KeyID(key) {
			return key
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, key := range c.keys[runner] {
			if id == ledger.KeyID(key) {
				return key
			}
		}
		return nil
	}
}

// RunnerOf returns whose key this is: that of a runner in the configuration, or one that was enrolled. A key that is
// nobody's, or was removed, is writ.ErrUnknownUser; other errors are the store's, and then it is not known.
func (c *Control) RunnerOf(ctx context.Context, key ed25519.PublicKey) (writ.RunnerID, error) {
	if len(key) != ed25519.PublicKeySize {
		return "", writ.ErrUnknownUser
	}
	var d enrolRow
	var row store.Row
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		d, row, err = store.Load[enrolRow](tx, store.Enrolments, pin.Fingerprint(key))
		return err
	})
	switch {
	case errors.Is(err, writ.ErrNotFound):
		for id, declared := range c.Runners {
			if declared != nil && declared.Equal(key) {
				return id, nil
			}
		}
		return "", writ.ErrUnknownUser
	case err != nil:
		return "", err
	case row.State != string(writ.RunnerEnrolled) || !c.knows(d.Runner):
		return "", writ.ErrUnknownUser
	}
	c.learn(d.Runner, d.Public)
	return d.Runner, nil
}

// knows reports whether the configuration names the runner: what it does not name serves no target, whatever was enrolled.
func (c *Control) knows(id writ.RunnerID) bool { _, ok := c.Runners[id]; return ok }

// Active reports whether a runner has a key that it signs entries with: only then does a certificate of its name count.
func (c *Control) Active(ctx context.Context, id writ.RunnerID) (bool, error) {
	live, _, err := c.standing(ctx, id)
	return live > 0, err
}

// standing counts a runner's keys that count and those that were removed.
func (c *Control) standing(ctx context.Context, id writ.RunnerID) (live, removed int, err error) {
	var keys []runnerKeyRow
	err = c.Store.View(ctx, func(tx *store.Tx) (err error) {
		keys, err = runnerKeys(tx, id)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	declared := pin.Fingerprint(c.Runners[id])
	if declared != "" {
		live = 1
	}
	for _, k := range keys {
		switch state := writ.RunnerKeyState(k.row.State); {
		case state == writ.RunnerEnrolled:
			live++
		case state == writ.RunnerRemoved:
			removed++
			if k.row.ID == declared {
				live--
			}
		}
	}
	return live, removed, nil
}

// Inviting reports whether an invitation is open: only then may a stranger's key reach the runners' door.
func (c *Control) Inviting(ctx context.Context) bool {
	open := false
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		open = false
		return each(tx, store.Enrolments, string(writ.RunnerInvited), func(d enrolRow, _ store.Row) error {
			open = open || d.Until != nil && c.now().Before(*d.Until)
			return nil
		})
	})
	return err == nil && open
}

type runnerKeyRow struct {
	doc enrolRow
	row store.Row
}

func runnerKeys(tx *store.Tx, id writ.RunnerID) ([]runnerKeyRow, error) {
	docs, rows, err := find[enrolRow](tx, store.Enrolments, store.Filter{Key: string(id)})
	out := make([]runnerKeyRow, len(rows))
	for i := range rows {
		out[i] = runnerKeyRow{docs[i], rows[i]}
	}
	return out, err
}

// runnerNamed finds the runner of the configuration that a person means: by its whole id, or by its name where only one has it.
func (c *Control) runnerNamed(name string) (writ.RunnerID, error) {
	var found []writ.RunnerID
	for id := range c.Runners {
		if string(id) == name || strings.HasSuffix(string(id), "/runner/"+name) {
			found = append(found, id)
		}
	}
	if len(found) != 1 {
		return "", &writ.Refusal{Code: writ.ReasonUnknownRunner, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("%d runners of the server's configuration are named %s", len(found), writ.Printable(name, 120)),
			Hint: "writ runner list; a new one is first named under runners, with its id alone"}
	}
	return found[0], nil
}

// rostered admits people whom the roster names, for a group that their issuer agrees with.
func (c *Control) rostered(ctx context.Context, by writ.Principal) error {
	var roster approval.Roster
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		roster, err = c.roster(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range roster {
		if m.Person().Principal().Same(by) && len(m.Groups) > 0 {
			return nil
		}
	}
	return &writ.Refusal{Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: "only a person on the roster may invite or remove a runner"}
}

// InviteRunner makes a code with which the runner of that name, which the configuration must name, can enrol once within
// 15 minutes. A code that was open for it is void. Enrolling gives a runner no power: its owners' trust file does.
func (c *Control) InviteRunner(ctx context.Context, by writ.Principal, name string) (writ.RunnerInvitation, error) {
	inv, err := c.inviteRunner(ctx, by, name)
	return inv, c.deny(ctx, "runner invite", by, "", err)
}

func (c *Control) inviteRunner(ctx context.Context, by writ.Principal, name string) (inv writ.RunnerInvitation, err error) {
	if err := first(person(by), c.rostered(ctx, by)); err != nil {
		return inv, err
	}
	id, err := c.runnerNamed(name)
	if err != nil {
		return inv, err
	}
	code, err := enrol.New(c.fingerprint(), id, c.Rand)
	if err != nil {
		return inv, err
	}
	now := c.now()
	until := now.Add(inviteLife)
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := void(tx, id); err != nil {
			return err
		}
		if _, err := c.append(tx, writ.EntryRunner, "", writ.RunnerBody{Runner: id, State: writ.RunnerInvited, By: by, Way: "code"}); err != nil {
			return err
		}
		return store.Create(tx, store.Enrolments, store.Row{ID: enrol.Hash(code.Secret).String(), Key: string(id), State: string(writ.RunnerInvited)}, enrolRow{Runner: id, By: by, Since: now, Until: &until})
	})
	return writ.RunnerInvitation{Runner: id, Code: code.String(), Expires: until}, err
}

// void ends the open invitations of a runner.
func void(tx *store.Tx, id writ.RunnerID) error {
	keys, err := runnerKeys(tx, id)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.row.State != string(writ.RunnerInvited) {
			continue
		}
		k.row.State = stateUsed
		if err := store.Save(tx, store.Enrolments, k.row, string(writ.RunnerInvited), k.doc); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint is that of the control plane's own key, which runners pin.
func (c *Control) fingerprint() string {
	pub, _ := c.Author.Key.Public().(ed25519.PublicKey)
	return pin.Fingerprint(pub)
}

// A Caller is who asks for an enrolment, as its connection shows: the key of a mutual TLS connection, or the runner's id that
// a current bundle of its trust domain vouches for.
type Caller struct {
	Key  ed25519.PublicKey
	SVID writ.RunnerID
}

// Enrol registers a runner's key. The right to it comes from an open code, from the runner's X.509-SVID, or from a key of the
// runner's that is registered already. All that is wrong with a code is refused alike, and counted.
func (c *Control) Enrol(ctx context.Context, by Caller, in assignment.Enrol) (assignment.Enrolled, error) {
	refused := &writ.Refusal{Code: writ.ReasonEnrolment, Kind: writ.ErrDenied, Detail: "no open invitation fits this code, name and key", Hint: "a person on the roster makes a new code: writ runner invite"}
	// It counts as failed until it has succeeded, for all replicas: so those that are tried at once are bounded, too.
	tried, wait := c.now(), time.Duration(0)
	err := c.Store.Update(ctx, func(tx *store.Tx) (err error) {
		wait, err = spend(tx, rateGuesses, maxGuesses, guessWindow, tried)
		return err
	})
	if err != nil {
		return assignment.Enrolled{}, err
	}
	if wait > 0 {
		return assignment.Enrolled{}, &writ.Refusal{Code: writ.ReasonEnrolment, Kind: writ.ErrBusy, Detail: "too many failed enrolments in the last minute", After: wait}
	}
	fail := func() (assignment.Enrolled, error) {
		c.Denied(ctx, "enrol", in.Runner.Principal(), refused.Code, "")
		return assignment.Enrolled{}, refused
	}
	public := ed25519.PublicKey(in.Public)
	if !c.knows(in.Runner) || !enrol.Proved(public, in.Proof, in.Runner, c.fingerprint(), in.At, c.now()) {
		return fail()
	}
	way, inviter, err := c.right(ctx, by, in)
	if err != nil {
		return assignment.Enrolled{}, err
	}
	if way == "" {
		return fail()
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := c.enrolKey(tx, in, way, inviter, refused); err != nil {
			return err
		}
		return giveBack(tx, rateGuesses, tried)
	})
	if errors.Is(err, refused) {
		return fail()
	}
	if err != nil {
		return assignment.Enrolled{}, err
	}
	c.learn(in.Runner, public)
	return c.enrolled(in.Runner)
}

// right says by which way the caller may enrol a key; empty for none. A code is looked at again where it is used up.
func (c *Control) right(ctx context.Context, by Caller, in assignment.Enrol) (way string, inviter writ.Principal, err error) {
	switch {
	case in.Code != "":
		if by.Key.Equal(ed25519.PublicKey(in.Public)) {
			return "code", writ.Principal{}, nil
		}
		return "", writ.Principal{}, nil
	case by.SVID != "":
		// One that was removed comes back by a code alone.
		live, removed, err := c.standing(ctx, in.Runner)
		if err == nil && by.SVID == in.Runner && (live > 0 || removed == 0) {
			return "spiffe", in.Runner.Principal(), nil
		}
		return "", writ.Principal{}, err
	}
	switch id, err := c.RunnerOf(ctx, by.Key); {
	case err == nil && id == in.Runner:
		return "key", in.Runner.Principal(), nil
	case err != nil && !errors.Is(err, writ.ErrUnknownUser):
		return "", writ.Principal{}, err
	}
	return "", writ.Principal{}, nil
}

// enrolKey uses the code up and writes the key with its entry.
func (c *Control) enrolKey(tx *store.Tx, in assignment.Enrol, way string, by writ.Principal, refused error) error {
	if way == "code" {
		hash := enrol.Hash(in.Code)
		d, row, err := store.Load[enrolRow](tx, store.Enrolments, hash.String())
		if errors.Is(err, writ.ErrNotFound) {
			return refused
		}
		if err != nil {
			return err
		}
		kept, err := writ.ParseDigest(row.ID)
		if err != nil || !kept.Equal(hash) || row.State != string(writ.RunnerInvited) || d.Runner != in.Runner || d.Until == nil || !c.now().Before(*d.Until) {
			return refused
		}
		row.State = stateUsed
		if err := store.Save(tx, store.Enrolments, row, string(writ.RunnerInvited), d); err != nil {
			return err
		}
		by = d.By
	}
	keys, err := runnerKeys(tx, in.Runner)
	if err != nil {
		return err
	}
	print, live := pin.Fingerprint(in.Public), 0
	if c.Runners[in.Runner] != nil && !slices.ContainsFunc(keys, func(k runnerKeyRow) bool { return k.row.ID == pin.Fingerprint(c.Runners[in.Runner]) }) {
		live++
	}
	for _, k := range keys {
		switch {
		case k.row.ID == print && k.row.State == string(writ.RunnerEnrolled):
			return nil // asked again
		case k.row.ID == print:
			return &writ.Refusal{Code: writ.ReasonEnrolment, Kind: writ.ErrConflict, Detail: "this key was removed, and stays so", Hint: "make a new key"}
		case k.row.State == string(writ.RunnerEnrolled):
			live++
		}
	}
	if live >= maxKeys {
		return &writ.Refusal{Code: writ.ReasonEnrolment, Kind: writ.ErrConflict, Detail: fmt.Sprintf("runner %s has %d keys", in.Runner, live), Hint: "retire one first: writ runner list, writ runner remove --key"}
	}
	if _, err := c.append(tx, writ.EntryRunner, "", writ.RunnerBody{Runner: in.Runner, State: writ.RunnerEnrolled, Public: in.Public, By: by, Way: way}); err != nil {
		return err
	}
	err = store.Create(tx, store.Enrolments, store.Row{ID: print, Key: string(in.Runner), State: string(writ.RunnerEnrolled)}, enrolRow{Runner: in.Runner, Public: in.Public, By: by, Since: c.now()})
	if errors.Is(err, writ.ErrConflict) {
		return refused // it is another runner's
	}
	return err
}

// enrolled is what a new runner is told.
func (c *Control) enrolled(id writ.RunnerID) (assignment.Enrolled, error) {
	pem, err := token.MarshalPublic(&c.GrantKey.PublicKey)
	if err != nil {
		return assignment.Enrolled{}, err
	}
	pub, _ := c.Author.Key.Public().(ed25519.PublicKey)
	out := assignment.Enrolled{
		Runner: id, Control: c.fingerprint(), Issuer: c.Issuer, Presented: c.PresentURL, Origin: c.Origin, VKey: c.VKey,
		GrantKeys: []assignment.GrantKey{{Kid: token.KeyID(&c.GrantKey.PublicKey), PEM: string(pem)}},
		Author:    assignment.Author{Principal: c.self, KeyID: c.Author.KeyID, Public: pub},
	}
	for _, t := range c.Targets {
		if t.Runner == id {
			out.Targets = append(out.Targets, t.Location)
		}
	}
	return out, nil
}

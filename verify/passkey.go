package verify

import (
	"bytes"
	"slices"

	"github.com/writ-dev/writ"
)

// This file follows passkeys: who enrolled and confirmed each, and that no answer came from one that the log itself says
// is not active. Whose a passkey is, the auditor's own trust file says.

// A passkey is one enrolment as the log has told it so far.
type passkey struct {
	index int64
	body  writ.PasskeyBody
}

func (s *chain) passkey(index int64, b writ.PasskeyBody) {
	before := s.passkeys[b.Passkey]
	switch {
	case b.Passkey != writ.PasskeyIDOf(b.Credential.ID):
		s.wrong(index, "passkey", "entry %d names a passkey that is not the one of its credential", index)
	case before == nil && b.State != writ.PasskeyPending:
		s.absent(index, "no_passkey", "passkey %s is %s without having been enrolled", b.Passkey, writ.Printable(string(b.State), 20))
	case before != nil && before.body.State.Move(b.State) != nil:
		s.wrong(index, "passkey", "passkey %s goes from %s to %s", b.Passkey, before.body.State, writ.Printable(string(b.State), 20))
	case before != nil && (before.body.Person != b.Person || !bytes.Equal(before.body.Credential.Key, b.Credential.Key)):
		s.wrong(index, "passkey", "passkey %s changes its person or its key", b.Passkey)
	case b.State == writ.PasskeyActive && s.sameHuman(b.Person, writ.Person{Iss: b.By.Iss, Sub: b.By.Sub}):
		s.wrong(index, "passkey", "passkey %s was confirmed by its own person", b.Passkey)
	}
	s.passkeys[b.Passkey] = &passkey{index, b}
}

// sameHuman reports whether two accounts are of one human, as far as the auditor's roster knows.
func (s *chain) sameHuman(a, b writ.Person) bool {
	if a == b {
		return true
	}
	for _, m := range s.c.keys.roster {
		all := append([]writ.Person{m.Person()}, m.Accounts...)
		if slices.Contains(all, a) && slices.Contains(all, b) {
			return true
		}
	}
	return false
}

// asserted checks what the log knows of the passkey that gave an answer, or asked for break-glass. It reports whether what it
// signed may count.
func (s *chain) asserted(index int64, credential []byte, counter uint32) bool {
	id := writ.PasskeyIDOf(credential)
	switch p := s.passkeys[id]; {
	case p == nil && s.c.r.Complete:
		s.wrong(index, "no_passkey", "entry %d is by passkey %s, which no earlier entry enrols", index, id)
		return false
	case p != nil && p.body.State != writ.PasskeyActive:
		s.wrong(index, "passkey", "entry %d is by passkey %s, which entry %d makes %s", index, id, p.index, p.body.State)
		return false
	}
	before, seen := s.counters[id]
	s.counters[id] = counter
	if seen && (counter != 0 || before != 0) && counter <= before {
		s.wrong(index, "passkey_counter", "the counter of passkey %s goes from %d to %d in entry %d: there may be a copy of it", id, before, counter, index)
		return false
	}
	return true
}

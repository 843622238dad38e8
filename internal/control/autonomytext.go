package control

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// autonomyOf names what an entry about autonomy is about.
func autonomyOf(playbook, service string, agent *writ.Principal) string {
	if agent != nil {
		return name(*agent)
	}
	return writ.Printable(playbook, 60) + " on " + writ.Printable(service, 60)
}

// autonomySentence says it in words, with the record that it rests on.
func autonomySentence(b writ.AutonomyBody) string {
	s := fmt.Sprintf("autonomy of %s %s: %s to %s; of %d runs %d verified, %d undone, %d uncertain, %d harm",
		autonomyOf(b.Playbook, b.Service, b.Agent), b.Change, b.From, b.To, b.Tally.Runs, b.Tally.Verified, b.Tally.Undone, b.Tally.Uncertain, b.Tally.Harm)
	if b.Change == writ.AutonomyProposed {
		s += fmt.Sprintf("; %d people decide", b.Needs)
	}
	return s
}

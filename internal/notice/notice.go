// Package notice holds what can be said of notices to people without sending any: which route a fact takes, when an
// attempt is made again, and how a message reads. It has no clock and no randomness of its own.
package notice

import (
	"time"

	"github.com/writ-dev/writ"
)

// Limits of notices. They are constants because they bound what people put up with, which no installation changes.
const (
	// CollapseFor is how long after a notice of one incident the next one of its class waits for company. The first goes
	// out at once; a wave of ten is the first and one more that says nine.
	CollapseFor = 2 * time.Minute

	// PerHour is how many notices of one class one recipient gets in any hour. More of them wait, together, as one notice
	// with a count, until the hour is over. A dozen is one every five minutes: nobody reads more, and what comes on top is the
	// same trouble told again. A class has its own dozen, so that prompts do not silence an alarm.
	PerHour = 12

	MaxTries  = 4                // attempts for one recipient, before the next one is told
	Untold    = time.Minute      // how long one recipient is tried, unless the route says otherwise
	MaxRounds = 3                // how often a whole route is tried before a notice counts as undelivered
	RoundRest = 5 * time.Minute  // between two rounds: what takes all channels away is a network, and comes back
	firstRest = 2 * time.Second  // after a first failed attempt; doubled by each
	SendLimit = 10 * time.Second // one attempt, from the name's resolution to the answer
	ClaimFor  = 30 * time.Second // how long a replica's claim holds: an attempt, and a slow commit after it
	MaxStops  = 16               // recipients of one notice, one after the other
	MaxFacts  = 5                // sentences of one notice; further ones are counted
	MaxPlans  = 20               // plans whose answer a notice waits for
	Keep      = 30 * 24 * time.Hour
)

// A Fact is one thing to be told, made from typed fields. It is part of a notice until it is sent.
type Fact struct {
	Event       writ.NoticeEvent
	Sentence    string              // one line, without what a channel could take for markup: see Clean
	Incident    writ.IncidentID     `json:",omitempty"`
	Plan        writ.PlanID         `json:",omitempty"`
	Run         writ.RunID          `json:",omitempty"`
	Change      writ.PolicyChangeID `json:",omitempty"` // of the policy set, that waits for an answer
	Subject     string              `json:",omitempty"` // what it is about when there is no incident: a freeze, a runner
	Service     string              `json:",omitempty"`
	Environment string              `json:",omitempty"`
	Team        string              `json:",omitempty"` // that answers for the service
	Severity    int                 `json:",omitempty"` // 1, the worst, to 4; 0 when there is none
	At          time.Time
	Until       time.Time `json:",omitzero"` // when silence decides
}

// Class is the class of the fact's event.
func (f Fact) Class() writ.NoticeClass { return writ.NoticeEvents[f.Event].Class }

// Thread is what notices are collapsed by: the incident, or what the fact is about.
func (f Fact) Thread() string {
	if f.Incident != "" {
		return string(f.Incident)
	}
	return f.Subject
}

// A Stop is one recipient of a notice: a channel, and a person on it. The zero Person means the channel's own recipients.
type Stop struct {
	Channel string
	To      writ.Person   `json:",omitzero"`
	Wait    time.Duration // how long it is tried and, of an ask, how long an answer is waited for, before the next
}

// Recipient names whom a stop reaches, for counting.
func (s Stop) Recipient() string { return s.Channel + " " + s.To.Iss + " " + s.To.Sub }

// A Result is how one attempt ended. The zero Result is a delivery.
type Result struct {
	Failure writ.NoticeFailure // "": delivered
	Status  int                // the channel's answer, HTTP or SMTP; 0 for none
	Final   bool               // trying again would change nothing
	After   time.Duration      // when the channel asks to be tried again; 0 when it does not say
}

// Rest is how long to wait after the given number of failed attempts, from 1. chance is a random number, which spreads the
// attempts of many notices between half and the whole of the time.
func Rest(tries int, chance uint32) time.Duration {
	whole := firstRest << min(max(tries-1, 0), MaxTries)
	return whole/2 + time.Duration(uint64(whole/2)*uint64(chance)>>32)
}

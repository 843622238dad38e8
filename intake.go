package writ

import "time"

// An Intake is how one event came in: the configured source that proved itself, and what makes the event known when it
// comes again.
type Intake struct {
	Source string    // name of the source in the configuration
	Body   Digest    // of the body, as it came
	Event  string    // the sender's own id of the event; empty when it gives none
	Keep   time.Time // until when an event of this id is the same event
	At     time.Time // when it happened, under the source's signature; zero when nothing vouches for that
}

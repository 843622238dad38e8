package writ

import (
	"fmt"
	"slices"
	"time"
)

// NoticeID names one notice to people: "ntc_" and a ULID.
type NoticeID string

// ParseNoticeID is the only way in from text.
func ParseNoticeID(s string) (NoticeID, error) { return parseID[NoticeID](s, "ntc") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *NoticeID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "ntc") }

// NoticeEvent is what a notice tells of. Closed: NoticeEvents is its table.
type NoticeEvent string

const (
	NoticePlanWaiting  NoticeEvent = "plan.waiting"  // a plan waits for people
	NoticePlanExpired  NoticeEvent = "plan.expired"  // nobody answered one in time, which means no
	NoticeRunUndone    NoticeEvent = "run.undone"    // a run was put back
	NoticeRunFailed    NoticeEvent = "run.failed"    // a run ended without having repaired
	NoticeRunUncertain NoticeEvent = "run.uncertain" // nobody knows what a run did
	NoticeRunnerLost   NoticeEvent = "runner.lost"   // a run was given up, since its runner is gone
	NoticeLeaseDebt    NoticeEvent = "lease.debt"    // a credential cannot be proven dead
	NoticeLeasePaid    NoticeEvent = "lease.paid"    // it was, at last
	NoticeFreezeSet    NoticeEvent = "freeze.set"
	NoticeFreezeLifted NoticeEvent = "freeze.lifted"

	NoticeRuleSuggested    NoticeEvent = "rule.suggested"    // the same repair was approved again and again
	NoticeAutonomyLost     NoticeEvent = "autonomy.lost"     // an agent has to ask people from now on
	NoticeAutonomyProposed NoticeEvent = "autonomy.proposed" // a record is good or bad enough for a move, which people decide

	NoticeRunEnded      NoticeEvent = "run.ended"      // a run ended whose grant demands that a channel is told
	NoticeReviewOverdue NoticeEvent = "review.overdue" // a look back at a run was not made in time

	NoticePolicyWaiting NoticeEvent = "policy.waiting" // a change of the policy set waits for people

	NoticeTest NoticeEvent = "test" // asked for by a person; no route has it
)

// NoticeClass says how a notice is treated. Notices of one class are collapsed together and counted together, so that a
// storm of one class does not silence another.
type NoticeClass string

const (
	NoticeAsk   NoticeClass = "ask"   // somebody is to answer: silence takes it to the next person
	NoticeAlarm NoticeClass = "alarm" // somebody is to look now
	NoticeNews  NoticeClass = "news"
)

// NoticeEvents is the one table of events: what class each is of, and its heading. A new event is a row here and a call
// where it happens.
var NoticeEvents = map[NoticeEvent]struct {
	Class   NoticeClass
	Heading string // ASCII, no text of anybody else
}{
	NoticePlanWaiting:  {NoticeAsk, "a plan waits for approval"},
	NoticePlanExpired:  {NoticeNews, "a plan expired unanswered"},
	NoticeRunUndone:    {NoticeNews, "a run was undone"},
	NoticeRunFailed:    {NoticeNews, "a run failed"},
	NoticeRunUncertain: {NoticeAlarm, "a run is uncertain"},
	NoticeRunnerLost:   {NoticeAlarm, "a runner is lost"},
	NoticeLeaseDebt:    {NoticeAlarm, "a credential is not proven dead"},
	NoticeLeasePaid:    {NoticeNews, "a credential is proven dead"},
	NoticeFreezeSet:    {NoticeAlarm, "a freeze was set"},
	NoticeFreezeLifted: {NoticeNews, "a freeze was lifted"},
	NoticeTest:         {NoticeNews, "TEST notice"},

	NoticeRuleSuggested: {NoticeNews, "a repair is approved again and again"},

	NoticeAutonomyLost:     {NoticeNews, "autonomy was lost"},
	NoticeAutonomyProposed: {NoticeNews, "a change of autonomy is proposed"},

	NoticeRunEnded:      {NoticeNews, "a run ended"},
	NoticeReviewOverdue: {NoticeAlarm, "a review is overdue"},

	NoticePolicyWaiting: {NoticeAsk, "a change of the rules waits for approval"},
}

// NoticeState is closed: noticeMoves is its table.
type NoticeState string

const (
	NoticeQueued      NoticeState = "queued"      // to be sent when it is due
	NoticeSending     NoticeState = "sending"     // one replica has claimed it; after its claim another may
	NoticeAsked       NoticeState = "asked"       // delivered, and nobody has answered yet
	NoticeDelivered   NoticeState = "delivered"   // final
	NoticeUndelivered NoticeState = "undelivered" // final: everybody of its route was tried
	NoticeFolded      NoticeState = "folded"      // final: another notice to the same recipient tells of it, with a count
	NoticeMoot        NoticeState = "moot"        // final: what it asked for was answered before it was sent
)

var noticeMoves = map[NoticeState][]NoticeState{
	NoticeQueued:  {NoticeSending, NoticeFolded, NoticeMoot, NoticeUndelivered},
	NoticeSending: {NoticeSending, NoticeQueued, NoticeAsked, NoticeDelivered, NoticeUndelivered},
	NoticeAsked:   {NoticeQueued, NoticeDelivered},
}

// Final reports whether nothing leads on from s.
func (s NoticeState) Final() bool { return len(noticeMoves[s]) == 0 }

// Move refuses what is not in the table.
func (s NoticeState) Move(next NoticeState) error {
	if slices.Contains(noticeMoves[s], next) {
		return nil
	}
	return fmt.Errorf("%w: a notice that is %s does not become %s", ErrConflict, s, next)
}

// NoticeOutcome is how telling one recipient ended. Closed.
type NoticeOutcome string

const (
	OutcomeDelivered   NoticeOutcome = "delivered"   // the channel took it
	OutcomeFailed      NoticeOutcome = "failed"      // given up for this recipient; the next one is told
	OutcomeUndelivered NoticeOutcome = "undelivered" // and there is no next one
	OutcomeRetry       NoticeOutcome = "retry"       // of one attempt; counted by metrics, not entered
)

// NoticeFailure is why an attempt failed: a code, never the channel's own words. Closed.
type NoticeFailure string

const (
	FailureUnreachable NoticeFailure = "unreachable" // no connection, or it was cut
	FailureTimeout     NoticeFailure = "timeout"
	FailureTLS         NoticeFailure = "tls"      // its certificate or its protocol is not trusted
	FailureAuth        NoticeFailure = "auth"     // our credential is refused
	FailureRefused     NoticeFailure = "refused"  // it will not take this notice, now or later
	FailureBusy        NoticeFailure = "busy"     // it asks to come again
	FailureRedirect    NoticeFailure = "redirect" // it names another place, where nothing is sent
	FailureNobody      NoticeFailure = "nobody"   // the route names nobody who can be reached
)

// A ChannelStatus is what is known of one channel of notices.
type ChannelStatus struct {
	Name      string        `json:"name"`
	Kind      string        `json:"kind"`              // webhook, slack, ntfy or mail
	Failing   bool          `json:"failing"`           // its last attempt failed
	Failures  int           `json:"failures"`          // attempts in a row
	Failure   NoticeFailure `json:"failure,omitempty"` // of the last attempt
	Status    int           `json:"status,omitempty"`  // HTTP or SMTP, of the last attempt that failed
	Delivered *time.Time    `json:"last_delivered,omitempty"`
	Failed    *time.Time    `json:"last_failed,omitempty"`
	Trial     *NoticeTrial  `json:"test,omitempty"` // the newest one that a person asked for
}

package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// Events returns ledger entries as sentences, from an index on; with an incident, only its own. People only.
func (c *Control) Events(ctx context.Context, by writ.Principal, from int64, limit int, incident writ.IncidentID) ([]writ.Event, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	limit = min(max(limit, 1), writ.MaxPage)
	var out []writ.Event
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		if incident != "" {
			all, err := c.incidentEvents(tx, incident)
			for _, e := range all {
				if e.Index >= from && len(out) < limit {
					out = append(out, e)
				}
			}
			return err
		}
		leaves, err := tx.Leaves(from, limit)
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			e, err := event(from+int64(i), leaf)
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// incidentEvents returns the entries of one incident, oldest first. It keeps what it renders, and so is for views only:
// what an update sees may never be committed.
func (c *Control) incidentEvents(tx *store.Tx, id writ.IncidentID) ([]writ.Event, error) {
	indices, err := incidentIndices(tx, id)
	if err != nil {
		return nil, err
	}
	var out []writ.Event
	for _, i := range indices {
		e, ok := c.events.get(i)
		if !ok {
			leaf, err := tx.Leaf(i)
			if err != nil {
				return nil, err
			}
			if e, err = event(i, leaf); err != nil {
				return nil, err
			}
			c.events.put(e)
		}
		out = append(out, e)
	}
	return out, nil
}

// incidentIndices returns where an incident's entries stand in the ledger, in order.
func incidentIndices(tx *store.Tx, id writ.IncidentID) ([]int64, error) {
	var out []int64
	f := store.Filter{Incident: string(id)}
	for {
		rows, err := tx.Find(store.Timeline, f)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			var at struct {
				Index int64 `json:"index"`
			}
			if err := json.Unmarshal(r.Doc, &at); err != nil {
				return nil, err
			}
			out = append(out, at.Index)
			f.AfterSeq = r.Seq
		}
		if len(rows) < store.MaxRows {
			return out, nil
		}
	}
}

// event renders one entry from its typed fields.
func event(index int64, leaf []byte) (writ.Event, error) {
	e, err := ledger.Open(leaf)
	if err != nil {
		return writ.Event{}, err
	}
	out := writ.Event{Index: index, Time: e.Record.Time, Kind: e.Record.Kind, Actor: e.Record.Actor, OK: true, Run: runOf(e.Body)}
	switch b := e.Body.(type) {
	case *writ.GenesisBody:
		out.Summary = "ledger " + b.Origin + " begins"
	case *writ.IncidentBody:
		out.Summary = fmt.Sprintf("incident %s: %s in %s, severity %d, %d alerts", b.State, b.Service, b.Environment, b.Severity, b.Alerts)
	case *writ.EvidenceBody:
		out.Summary = fmt.Sprintf("%s read %s for %s: %d bytes, %d secrets removed", name(b.Runner.Principal()), b.Reader, name(b.AskedBy), b.Size, b.Redacted)
	case *writ.ProposalBody:
		out.Plan, out.Summary = b.Plan, fmt.Sprintf("%s proposed %s@%d, citing %d readings", name(b.By), b.Playbook.Name, b.Playbook.Version, len(b.Evidence))
	case *writ.PlanBody:
		out.Plan, out.Summary = b.Plan, fmt.Sprintf("planned: its own tier %s, %d objects, up to %d‰ of ready capacity, digest %s", b.Tier, b.Blast.Objects, b.Blast.Permille, short(b.PlanDigest))
	case *writ.DecisionBody:
		out.Plan, out.OK = b.Plan, b.Verdict != writ.Deny
		by := strings.Join(b.Policies, ", ")
		if by == "" {
			by = string(b.Reason)
		}
		out.Summary = fmt.Sprintf("policy at %s: %s (%s)", b.Phase, b.Verdict, by)
		if t := b.DecidedTier(); t != writ.T0 {
			out.Summary = fmt.Sprintf("policy at %s: %s as %s (%s)", b.Phase, b.Verdict, t, by)
		}
	case *writ.ApprovalBody:
		out.Plan, out.OK = b.Plan, b.Answer == writ.Approve
		out.Summary = fmt.Sprintf("%s answered %s as %s, proof %s, key %s", b.Approver.Sub, b.Answer, b.Slot, b.Proof, b.Key)
	case *writ.RecallBody:
		out.Plan, out.Run, out.OK, out.Summary = b.Plan, b.Run, false, recallSentence(*b)
	case *writ.OnCallBody:
		out.OK, out.Summary = !b.State.Bad(), onCallSentence(*b)
	case *writ.DelegationBody:
		out.Summary = delegationSentence(*b)
	case *writ.GrantBody:
		out.Plan, out.Run, out.Summary = b.Plan, b.Run, fmt.Sprintf("grant for one run on %s, %d approvals, until %s", name(b.Runner.Principal()), len(b.Approvals), b.Expires.Format("15:04:05Z"))
	case *writ.LeaseBody:
		out.Summary = fmt.Sprintf("lease %s on %s: %s", b.Name, b.Target, strings.Join(b.Rights, "; "))
	case *writ.StepBody:
		verb := "about to"
		if e.Record.Kind == writ.EntryUndoIntent {
			verb = "about to undo"
		}
		out.Plan, out.Summary = b.Plan, fmt.Sprintf("%s %s on %s: %s %s", verb, b.Operation, b.Object.Location, b.Call.Method, b.Call.Path)
	case *writ.EffectBody:
		out.OK, out.Summary = b.Effect == writ.Applied, fmt.Sprintf("%s in %d ms%s", b.Effect, b.Millis, status(b.Status, b.Reason))
	case *writ.VerifyBody:
		out.OK, out.Summary = b.Holds, fmt.Sprintf("check %s: %s is %s", b.Check, b.Fact, b.Value)
	case *writ.UndoEffectBody:
		out.OK, out.Summary = b.Restored, fmt.Sprintf("undo %s in %d ms, restored %t%s", b.Effect, b.Millis, b.Restored, status(0, b.Reason))
	case *writ.RevokeBody:
		out.OK, out.Summary = b.Done, fmt.Sprintf("lease %s revoked in %d ms", b.Name, b.Millis)
	case *writ.ProbeBody:
		out.OK = b.PowerGone
		if b.NeverMinted {
			out.Summary = "lease never minted: nothing stands under its name"
			break
		}
		out.Summary = "lease probed: " + gone("power", b.PowerGone, b.PowerStatus, b.PowerMillis) + ", " + gone("identity", b.IdentityGone, b.IdentityStatus, b.IdentityMillis)
	case *writ.RunBody:
		out.Plan, out.OK = b.Plan, b.State == writ.RunSucceeded
		out.Summary = fmt.Sprintf("run %s: %d applied, %d undone, %d unknown%s", b.State, b.Applied, b.Undone, b.Unknown, status(0, b.Reason))
	case *writ.RunnerBody:
		out.OK, out.Summary = b.State != writ.RunnerRemoved, fmt.Sprintf("runner %s is %s, by %s", name(b.Runner.Principal()), b.State, name(b.By))
	case *writ.ReceiptBody:
		out.Summary = "its runner's signed receipt"
	case *writ.PlanEndBody:
		out.Plan, out.OK, out.Summary = b.Plan, false, fmt.Sprintf("plan %s: %s", b.State, b.Reason)
	case *writ.DenyBody:
		out.Plan, out.OK, out.Summary = b.Plan, false, fmt.Sprintf("%s by %s refused: %s", b.What, name(b.By), b.Reason)
	case *writ.SettleBody:
		out.Plan, out.Summary = b.Plan, fmt.Sprintf("%s settled step %s as %s", name(b.By), b.Step, b.As)
	case *writ.DebtBody:
		out.Run, out.OK, out.Summary = b.Run, !b.On, fmt.Sprintf("lease %s cannot be proven dead; its runner gets no new grant", writ.Printable(b.Name, 80))
		if !b.On {
			out.Summary = fmt.Sprintf("lease %s was proven dead at last", writ.Printable(b.Name, 80))
		}
	case *writ.PolicyBody:
		out.Summary = fmt.Sprintf("policy set %s is in force", b.Policy)
		if b.Version > 0 {
			out.Summary += fmt.Sprintf(", version %d, signed by %d of its owners", b.Version, len(b.Signers))
		}
	case *writ.KeyRotateBody:
		out.Summary = fmt.Sprintf("another key signs the ledger: %s", writ.Printable(b.New, 200))
	case *writ.CellBody:
		out.OK, out.Summary = b.Was == "", fmt.Sprintf("a process took the cell of %s, epoch %d", b.Runner, b.Epoch)
	case *writ.OrphanBody:
		out.OK, out.Summary = b.IdentityGone, fmt.Sprintf("credential %s on %s belonged to no known run: revoked, %s, %s", writ.Printable(b.Name, 80), b.Target,
			gone("power", b.PowerGone, 0, b.PowerMillis), gone("identity", b.IdentityGone, 0, b.IdentityMillis))
	case *writ.HandOffBody:
		out.Summary = fmt.Sprintf("%s handed the incident to %s, hop %d, for %s up to T%d", name(b.From), name(b.To), len(b.Lineage), strings.Join(b.Playbooks, ", "), b.MaxTier)
	case *writ.HandOffEndBody:
		out.OK, out.Summary = false, fmt.Sprintf("%s revoked hand-off %s", name(b.By), b.HandOff)
	case *writ.AgentBody:
		out.OK, out.Summary = b.State == writ.AgentActive, fmt.Sprintf("%s: agent %s (%s) of team %s is %s", name(b.By), b.Name, name(b.Agent), b.Team, b.State)
		if b.Was != nil {
			out.Summary += ", in place of " + name(*b.Was)
		}
	case *writ.LoginBody:
		out.Summary = fmt.Sprintf("%s logged in (%s)", name(b.Person.Principal()), b.Way)
	case *writ.LogoutBody:
		out.Summary = fmt.Sprintf("%s ended a session of %s", name(b.By), name(b.Person.Principal()))
	case *writ.TeamsBody:
		out.Summary = fmt.Sprintf("%s is of %d teams now", name(b.Person.Principal()), len(b.Teams))
	case *writ.PinBody:
		out.OK, out.Summary = b.State == writ.ToolOn, pinSentence(*b)
	case *writ.UpstreamReadBody:
		out.OK, out.Summary = !b.Failed, fmt.Sprintf("%s read %s through an upstream: %d bytes, %d secrets removed", name(b.AskedBy), b.Name, b.Size, b.Redacted)
	case *writ.NoticeBody:
		out.OK, out.Summary = b.Outcome == writ.OutcomeDelivered, noticeSentence(*b)
	case *writ.BreakGlassBody:
		out.Plan, out.OK = b.Plan, false
		out.Summary = fmt.Sprintf("%s%s asked for break-glass on %s with %s@%d, proof %s, key %s; %s is told", drill(b.Drill), writ.Printable(b.Asker.Sub, 60), b.Service, b.Playbook.Name, b.Playbook.Version, b.Proof, b.Key, b.Team)
	case *writ.BreakGlassUseBody:
		out.Plan, out.Run, out.OK = b.Plan, b.Run, false
		out.Summary = fmt.Sprintf("%sbreak-glass is used%s; %s is told, and owes a review until %s", drill(b.Drill), offline(b.Offline), b.Team, b.ReviewDue.Format("2006-01-02 15:04Z"))
	case *writ.BreakGlassReviewBody:
		out.OK, out.Summary = b.Verdict == writ.ReviewJustified, fmt.Sprintf("%s reviewed break-glass %s: %s", name(b.By), b.ID, b.Verdict)
	case *writ.BreakGlassDrillBody:
		out.Run, out.Summary = b.Run, fmt.Sprintf("break-glass drill passed: one use, and a second one refused (%s)", b.Refusal)
	case *writ.OfflineBody:
		out.Plan, out.Run, out.OK = b.Plan, b.Run, false
		out.Summary = fmt.Sprintf("%s ran %s@%d on %s while cut off, signed by %d people (%d were needed)", name(b.Runner.Principal()), b.Playbook.Name, b.Playbook.Version, b.Service, len(b.Signatures), b.Quorum)
	case *writ.PasskeyBody:
		out.OK, out.Summary = b.State == writ.PasskeyActive, fmt.Sprintf("%s: passkey %s of %s, level %s, is %s", name(b.By), b.Passkey, writ.Printable(b.Person.Sub, 80), b.Credential.Level, b.State)
	case *writ.ReviewDueBody:
		out.Plan, out.Run, out.Summary = b.Plan, b.Run, fmt.Sprintf("%s owes a look back at the run until %s", b.Team, b.Due.Format("2006-01-02 15:04Z"))
	case *writ.ReviewBody:
		out.Plan, out.Run, out.OK, out.Summary = b.Plan, b.Run, b.Verdict == writ.ReviewJustified, fmt.Sprintf("%s looked back at the run: %s", name(b.By), b.Verdict)
	case *writ.AutonomyBody:
		out.OK, out.Summary = b.Change != writ.AutonomyDropped && b.Change != writ.AutonomyLost, autonomySentence(*b)
	case *writ.AutonomyAnswerBody:
		out.Summary = fmt.Sprintf("%s decided %s from %s to %s, proof %s, key %s", writ.Printable(b.By.Sub, 60), autonomyOf(b.Playbook, b.Service, b.Agent), b.From, b.To, b.Proof, b.Key)
	case *writ.NoteBody:
		out.Summary = fmt.Sprintf("%s wrote a note of %d bytes", name(b.By), b.Size)
	case *writ.EvidenceAskBody:
		out.Plan, out.Summary = b.Plan, fmt.Sprintf("%s asked for more evidence before anybody answers the plan", name(b.By))
	case *writ.PlaybookBody:
		out.OK, out.Summary = !b.Retired, fmt.Sprintf("%s retired playbook %s up to version %d; %d open plans were taken back", name(b.By), b.Playbook.Name, b.Playbook.Version, b.Ended)
	case *writ.FreezeBody:
		out.OK, out.Summary = !b.On, fmt.Sprintf("freeze of %s %s: on %t", b.Scope, writ.Printable(b.Value, 80), b.On)
	}
	return out, nil
}

func drill(is bool) string {
	if is {
		return "drill: "
	}
	return ""
}

func offline(is bool) string {
	if is {
		return " while the control plane was down"
	}
	return ""
}

// gone says what a revoked credential still got.
func gone(what string, is bool, code, millis int) string {
	if !is {
		return what + " not refused yet"
	}
	return fmt.Sprintf("%s gone (%d after %d ms)", what, code, millis)
}

func status(code int, reason writ.Reason) string {
	switch {
	case code != 0 && reason != "":
		return fmt.Sprintf(", answer %d, %s", code, reason)
	case code != 0:
		return fmt.Sprintf(", answer %d", code)
	case reason != "":
		return ", " + string(reason)
	}
	return ""
}

// name is the short form of a principal for a sentence: kind and the last part of the subject.
func name(p writ.Principal) string {
	sub := p.Sub
	if i := strings.LastIndexByte(sub, '/'); i >= 0 && i < len(sub)-1 {
		sub = sub[i+1:]
	}
	return string(p.Kind) + ":" + writ.Printable(sub, 60)
}

func short(d writ.Digest) string { return d.String()[:19] + "…" }

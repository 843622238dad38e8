package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/ident"
)

// personAnswers waits for the person, or answers with the demo's own key and says so.
func (p *play) personAnswers(ctx context.Context, id writ.PlanID) error {
	wait := time.Duration(0)
	switch {
	case p.o.Yes:
		p.say("  --yes: the demo answers with its own key")
	case !p.o.Terminal:
		p.say("  nobody sits at a terminal: the demo answers with its own key")
	default:
		wait = patience
		p.say("\n  It waits for you. In another terminal, type:\n\n    %s approve %s --config %s\n\n  (after two minutes the demo answers with its own key)", p.o.Command, id, p.in.Clients[person])
	}
	silence, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	plan, err := p.person.Plan(ctx, id)
	if err != nil {
		return err
	}
	if wait > 0 {
		if answered, err := p.person.WaitPlan(silence, id, writ.PlanWaiting); err == nil && answered.State != writ.PlanWaiting {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.say("  two minutes of silence: the demo answers with its own key")
	}
	statement, signature, err := p.sign(plan, p.in.SSHKeys[person])
	if err != nil {
		return err
	}
	_, err = p.person.Approve(ctx, id, plan.Digest, statement, signature, "answered by the demonstration itself")
	if err == nil {
		p.say("  approved with proof D over %s", plan.Digest)
	}
	return err
}

// sign makes a person's approval of a plan.
func (p *play) sign(plan writ.PlanStatus, keyFile string) (statement []byte, signature string, err error) {
	got, digest, err := writ.ParsePlan(plan.Bytes)
	if err != nil {
		return nil, "", err
	}
	plan.Plan = &got
	pem, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, "", err
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, "", err
	}
	nonce, err := ident.Nonce(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	s, err := approval.New(got, digest, approval.Ask{
		Answer: writ.Approve, Person: writ.Person{Iss: authn.DevIssuer, Sub: person}, Slot: "owner", Tier: plan.Tier(), Now: time.Now(), Life: 10 * time.Minute, Nonce: nonce,
	})
	if err != nil {
		return nil, "", err
	}
	if statement, err = s.Bytes(); err != nil {
		return nil, "", err
	}
	signature, err = approval.Sign(statement, key, rand.Reader)
	return statement, signature, err
}

// agentApproves lets an agent send a well-signed approval under its own token.
func (p *play) agentApproves(ctx context.Context, s *Scene) error {
	ans, err := p.asked(ctx, p.stage.needsPerson, diagnoser, repairer)
	if err != nil {
		return err
	}
	plan, err := p.person.Plan(ctx, ans.Plan)
	if err != nil {
		return err
	}
	statement, signature, err := p.sign(plan, p.in.SSHKeys[person])
	if err != nil {
		return err
	}
	token, err := p.token(repairer)
	if err != nil {
		return err
	}
	thief, err := client.New(p.url, client.Config{Token: client.Static(token)})
	if err != nil {
		return err
	}
	p.say("  agent %s has stolen your SSH key and sends the approval itself", repairer)
	_, err = thief.Approve(ctx, plan.ID, plan.Digest, statement, signature, "")
	s.PlanDigest = plan.Digest
	s.Outcome = "approved"
	if err != nil {
		s.Outcome = "refused: " + string(writ.ReasonOf(err))
	}
	if _, err := p.person.Withdraw(ctx, plan.ID, "the demonstration goes on"); err != nil {
		return err
	}
	return p.calm(ctx)
}

// planAltered changes one byte of a granted plan on its way to the runner.
func (p *play) planAltered(ctx context.Context, s *Scene) error {
	p.wire.alterNext(func(a *assignment.Assignment) {
		plan, _, err := writ.ParsePlan(a.Run.Plan)
		if err != nil {
			return
		}
		plan.Steps[0].Call.Path += "/v42" // the attacker wants another call
		if b, err := plan.Bytes(); err == nil {
			a.Run.Plan = b
		}
	})
	ans, err := p.asked(ctx, p.stage.badRelease, diagnoser, repairer)
	if err != nil {
		return err
	}
	run, err := p.finish(ctx, ans.Plan, s)
	if err != nil {
		return err
	}
	s.Outcome = fmt.Sprintf("%s: %s", run.State, run.Reason)
	if err := p.stage.untouched(ctx); err != nil {
		s.Outcome += ", but " + err.Error()
	} else {
		s.Outcome += ", nothing written"
	}
	return p.calm(ctx)
}

// grantReplayed presents the last captured grant again: as a new run, and as the run that it was.
func (p *play) grantReplayed(ctx context.Context, s *Scene) error {
	captured, err := p.wire.grant()
	if err != nil {
		return err
	}
	p.say("  the attacker presents the grant of %s to the runner once more: as a new run, then unchanged", captured.Run.Run)
	other, err := newID[writ.RunID]("run")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sceneTimeout)
	defer cancel()
	var got []string
	for _, run := range []writ.RunID{other, captured.Run.Run} {
		a, replayed := captured, *captured.Run
		if a.ID, err = newID[writ.AssignmentID]("asg"); err != nil {
			return err
		}
		replayed.Run = run
		a.Run = &replayed
		ans, err := p.wire.present(ctx, a)
		switch {
		case err != nil:
			return err
		case ans.Refused != nil:
			got = append(got, "refused: "+string(ans.Refused.Code))
		case ans.Ended:
			got = append(got, "already spent")
		default:
			return errors.New("the runner answered neither way")
		}
	}
	s.Outcome = strings.Join(got, ", then ")
	if err := p.stage.untouched(ctx); err != nil {
		s.Outcome += ", but " + err.Error()
	} else {
		s.Outcome += ", nothing written"
	}
	return nil
}

func newID[T ~string](prefix string) (T, error) {
	id, err := ident.New(prefix, time.Now(), rand.Reader)
	return T(id), err
}

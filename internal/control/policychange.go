package control

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
	"github.com/writ-dev/writ/internal/store"
)

// Bounds on what a proposed change costs.
const (
	maxPolicyFiles  = 4 << 20 // bytes of a set's files together: a hundred times the set that ships with Writ
	maxOpenChanges  = 5       // that wait at once: people read them one after the other
	changeSearch    = 4000    // requests that are tried on both sets, some tenths of a second
	maxReplayed     = 20_000  // of the ledger's newest entries, whose decisions are decided again
	simulateWorkers = 2       // a proposal takes no more of the machine
)

// A changeRow is one proposed change. Due of its row is when it expires.
type changeRow struct {
	ID      writ.PolicyChangeID
	Bytes   []byte // of the writ.PolicyChange
	Digest  writ.Digest
	By      writ.Principal
	Because writ.Commitment `json:",omitzero"`
	Leaf    writ.Digest     // of its entry
	Answers []policyAnswer  `json:",omitempty"`
	Reason  writ.Reason     `json:",omitempty"`
	Detail  string          `json:",omitempty"`
	Ended   *time.Time      `json:",omitempty"`
}

// A policyAnswer is one person's signed word on a change.
type policyAnswer struct {
	Approval writ.Approval
	Person   writ.Person
	Answer   writ.Answer
	Leaf     writ.Digest
}

// ProposePolicy proposes to put a set in force that enough of its owners have signed. It is refused unless it loads here,
// all of its tests come out as wanted and cover every rule, and its version is above every version that was in force. What
// it would change is searched for, and recorded decisions are decided again under it; that, and the exact files, is what
// two other people approve. It puts nothing in force.
func (c *Control) ProposePolicy(ctx context.Context, by writ.Principal, files writ.PolicyFiles, because string) (writ.PolicyChangeStatus, error) {
	id, err := c.proposePolicy(ctx, by, files, because)
	if err != nil {
		return writ.PolicyChangeStatus{}, c.deny(ctx, "policy publish", by, "", err)
	}
	return c.PolicyChange(ctx, by, id)
}

func (c *Control) proposePolicy(ctx context.Context, by writ.Principal, files writ.PolicyFiles, because string) (id writ.PolicyChangeID, err error) {
	if err := first(person(by), c.governed(), c.rostered(ctx, by)); err != nil {
		return "", err
	}
	if utf8.RuneCountInString(because) > maxBecause {
		return "", &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("because has more than %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	next, report, err := c.judgeSet(files)
	if err != nil {
		return "", err
	}
	before, entries, records, err := c.recorded(ctx)
	if err != nil {
		return "", err
	}
	change := writ.PolicyChange{
		Type: writ.PolicyChangeType, Proposer: writ.Person{Iss: by.Iss, Sub: by.Sub}, Signers: next.Signers,
		Next:  writ.PolicyName{Version: next.Version, Manifest: next.Manifest, Policy: next.Bundle.Digest()},
		Needs: writ.PolicyNeeds{Group: c.PolicyGate.Group, Approvals: writ.PolicyChangeApprovals, Proof: before.Bundle.Proof(writ.T3)},
		Tests: writ.PolicyTests{Cases: report.Cases, Rules: len(next.Bundle.Rules())},
		Rules: changedRules(before.Bundle, next.Bundle),
	}
	if change.Search, err = searched(before.Bundle, next.Bundle); err != nil {
		return "", err
	}
	change.Simulation = summed(study.Simulate(next.Bundle, records, min(simulateWorkers, runtime.GOMAXPROCS(0))), entries)
	var why writ.Commitment
	if because != "" {
		if why, err = c.Store.PutBlob(ctx, blobReason, classText, []byte(because)); err != nil {
			return "", err
		}
	}
	if id, err = newID[writ.PolicyChangeID](c, "pch"); err != nil {
		return "", err
	}
	change.ID = id
	return id, c.Store.Update(ctx, func(tx *store.Tx) error {
		return c.openChange(tx, by, change, before, files, why)
	})
}

// openChange writes a change down, if it follows the set that it was compared with.
func (c *Control) openChange(tx *store.Tx, by writ.Principal, change writ.PolicyChange, before *PolicySet, files writ.PolicyFiles, why writ.Commitment) error {
	was, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
	if err != nil {
		return err
	}
	switch {
	case !was.Policy.Equal(before.Bundle.Digest()):
		return stale()
	case change.Next.Version <= was.Version:
		return &writ.Refusal{
			Code: writ.ReasonPolicyVersion, Kind: writ.ErrConflict, Detail: fmt.Sprintf("version %d is not above version %d, which was in force", change.Next.Version, was.Version),
			Hint: fmt.Sprintf("sign it as a later version: writ policy sign <dir> --key owner.pem --version %d", was.Version+1),
		}
	}
	open, _, err := find[changeRow](tx, store.PolicyChanges, store.Filter{State: string(writ.PolicyWaiting)})
	if err != nil {
		return err
	}
	if len(open) >= maxOpenChanges {
		return &writ.Refusal{
			Code: writ.ReasonStorm, Kind: writ.ErrConflict, Detail: fmt.Sprintf("%d changes of the policy set wait already", len(open)), Hint: "withdraw one: writ policy changes --state waiting, writ policy withdraw",
		}
	}
	old, _, err := store.Load[writ.PolicyFiles](tx, store.PolicyFiles, was.Files)
	if err != nil {
		return err
	}
	change.Base, change.Files = was.name(), changedFiles(old.Files, files.Files)
	if change.Restores, err = restores(tx, files); err != nil {
		return err
	}
	change.MadeAt, change.NotAfter = c.now(), writ.Instant(c.now().Add(writ.PolicyChangeLife))
	row := changeRow{ID: change.ID, By: by, Because: why}
	if row.Bytes, err = change.Bytes(); err != nil {
		return err
	}
	if _, row.Digest, err = writ.ParsePolicyChange(row.Bytes); err != nil {
		return err
	}
	e, err := c.append(tx, writ.EntryPolicyChange, "", writ.PolicyChangeBody{
		Change: change.ID, Digest: row.Digest, Proposer: change.Proposer, Base: change.Base, Next: change.Next, Restores: change.Restores,
		Signers: change.Signers, Needs: change.Needs, NotAfter: change.NotAfter, Because: why,
	})
	if err != nil {
		return err
	}
	row.Leaf = e.hash
	if _, err := keepFiles(tx, string(change.ID), 0, files); err != nil {
		return err
	}
	if err := c.tellChange(tx, change); err != nil {
		return err
	}
	return store.Create(tx, store.PolicyChanges, store.Row{ID: string(change.ID), State: string(writ.PolicyWaiting), Due: millis(change.NotAfter)}, row)
}

// governed refuses where no approvers of policy sets are configured.
func (c *Control) governed() error {
	if c.PolicyGate == nil {
		return &writ.Refusal{
			Code: writ.ReasonPolicyOff, Kind: writ.ErrDenied, Detail: "this server's policy set has no owners and approvers: whoever can write its directory decides",
			Hint: "policies and policy_owners in the server's configuration, with keys, threshold and approvers",
		}
	}
	return nil
}

func stale() error {
	return &writ.Refusal{Code: writ.ReasonPolicyStale, Kind: writ.ErrConflict, Detail: "another set came into force meanwhile", Hint: "propose the change again, on the set in force: writ policy publish"}
}

// judgeSet loads a set as it would be put in force, and runs its tests. A refusal says what is wrong with the set.
func (c *Control) judgeSet(files writ.PolicyFiles) (PolicySet, policy.Report, error) {
	size := len(files.Signature)
	for _, b := range files.Files {
		size += len(b)
	}
	if size > maxPolicyFiles {
		return PolicySet{}, policy.Report{}, &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("the files have %d bytes together; %d are the limit", size, maxPolicyFiles)}
	}
	set, err := c.PolicyGate.Load(files)
	if err == nil && set.Version < 1 {
		err = fmt.Errorf("%w: policy: the set is not signed", writ.ErrInvalid)
	}
	if err != nil {
		return set, policy.Report{}, &writ.Refusal{Code: writ.ReasonPolicySet, Kind: writ.ErrInvalid, Detail: writ.Printable(err.Error(), 400), Hint: "writ policy test --set <dir> -c writ.yaml; writ policy verify <dir> -c writ.yaml"}
	}
	set.PolicyFiles = files
	report, err := policy.Test(set.Bundle)
	if err == nil && report.OK() {
		return set, report, nil
	}
	if err == nil {
		err = untested(report)
	}
	return set, report, &writ.Refusal{Code: writ.ReasonPolicyTests, Kind: writ.ErrInvalid, Detail: writ.Printable(err.Error(), 400), Hint: "writ policy test --set <dir> -c writ.yaml tells all of it"}
}

// untested is the first of what the tests of a set leave to be wished for, and how much more there is.
func untested(r policy.Report) error {
	n := len(r.Failures) + len(r.NotAlone) + len(r.NotUsed) + len(r.NotSatisfied) + len(r.NotCleared)
	switch {
	case r.Cases == 0:
		return errors.New("the set has no tests")
	case len(r.Failures) > 0:
		return fmt.Errorf("the test %q fails (%d findings)", r.Failures[0].Case, n)
	case len(r.NotAlone) > 0:
		return fmt.Errorf("%s decides alone in no test: it could be lost unnoticed (%d findings)", r.NotAlone[0], n)
	}
	for what, ids := range map[string][]string{"is needed by no test": r.NotUsed, "holds in no test": r.NotSatisfied, "stands in the way of every test": r.NotCleared} {
		if len(ids) > 0 {
			return fmt.Errorf("%s %s (%d findings)", ids[0], what, n)
		}
	}
	return errors.New("the tests do not cover the set")
}

// recorded returns the set in force, how long the ledger is, and the decisions among its newest entries.
func (c *Control) recorded(ctx context.Context) (set *PolicySet, head int64, records study.Records, err error) {
	var b ledger.Bundle
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		b.Entries, head = nil, tx.Head()
		late := false
		if set, late, err = c.setOf(tx); err != nil || late {
			return first(err, writ.ErrUnavailable)
		}
		for from := max(0, head-maxReplayed); from < head; {
			leaves, err := tx.Leaves(from, store.MaxRows)
			if err != nil || len(leaves) == 0 {
				return err
			}
			for _, l := range leaves {
				b.Entries = append(b.Entries, ledger.BundleEntry{Index: from, Leaf: l})
				from++
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, study.Records{}, err
	}
	records, err = study.FromBundle(b)
	return set, head, records, err
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
)

const approverUsage = "writ approver list shows the passkeys"

func runApproverList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "approver list", "[--state pending|active|removed]", "Lists people's passkeys for approving, in the order in which they enrolled them.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`: pending, active or removed")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if !slices.Contains([]writ.PasskeyState{"", writ.PasskeyPending, writ.PasskeyActive, writ.PasskeyRemoved}, writ.PasskeyState(*state)) {
		return &usageError{fmt.Sprintf("--state %s is unknown", writ.Printable(*state, 30)), "use --state pending, active or removed"}
	}
	if err := r.open(); err != nil {
		return err
	}
	some := func(yield func(writ.Passkey, error) bool) {
		for p, err := range r.Passkeys(ctx) {
			if (err != nil || *state == "" || string(p.State) == *state) && !yield(p, err) {
				return
			}
		}
	}
	return printList(a, r.format, some, "PASSKEY\tSTATE\tLEVEL\tPERSON\tENROLLED\tFINGERPRINT", func(p writ.Passkey) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", p.ID, p.State, p.Credential.Level, writ.Printable(p.Person.Sub, 60), clock(p.Enrolled), writ.Printable(p.Fingerprint, 60))
	})
}

func runApproverShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "approver show", "<passkey>", "Shows one passkey for approving.")
	r := remoteFlags(f)
	id, err := passkeyID(f, args)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	for p, err := range r.Passkeys(ctx) {
		if err != nil {
			return err
		}
		if p.ID == id {
			return a.printPasskey(r.format, p)
		}
	}
	return &exitError{exitDenied, fmt.Sprintf("there is no passkey %s (%s)", id, approverUsage)}
}

func runApproverConfirm(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "approver confirm", "<passkey> --fingerprint SHA256:…", "Lets another person's passkey approve plans made from now on. Ask them for the fingerprint that their browser showed,\nby another way than this list.")
	r := remoteFlags(f)
	fingerprint := f.String("fingerprint", "", "the `fingerprint` that the passkey's owner told you")
	id, err := passkeyID(f, args)
	if err != nil {
		return err
	}
	if *fingerprint == "" {
		return &usageError{"a passkey is confirmed with the fingerprint that its owner told you", fmt.Sprintf("writ approver confirm %s --fingerprint SHA256:…", id)}
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.ConfirmPasskey(ctx, id, *fingerprint)
	if err != nil {
		return err
	}
	if err := a.printPasskey(r.format, p); err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, "hint: a runner counts it once its owner has signed it in: writ approver export")
	return nil
}

func runApproverRemove(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "approver remove", "<passkey>", "Removes a passkey for good; what it approved and is not granted yet no longer counts.")
	r := remoteFlags(f)
	id, err := passkeyID(f, args)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.RemovePasskey(ctx, id)
	if err != nil {
		return err
	}
	if err := a.printPasskey(r.format, p); err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, "hint: take it out of the trust files of runners, too: what is in flight is judged by them")
	return nil
}

// A signIn is what a trust file's approvers get: the passkeys of one person.
type signIn struct {
	Iss      string            `json:"iss"`
	Sub      string            `json:"sub"`
	Passkeys []writ.Credential `json:"passkeys"`
}

func runApproverExport(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "approver export", "", "Prints the active passkeys of each person as the approvers of a trust file have them. The server says whose they are;\nwhoever signs them in compares the fingerprints.")
	r := remoteFlags(f)
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	people := []signIn{}
	for p, err := range r.Passkeys(ctx) {
		if err != nil {
			return err
		}
		if p.State != writ.PasskeyActive {
			continue
		}
		i := slices.IndexFunc(people, func(s signIn) bool { return s.Iss == p.Person.Iss && s.Sub == p.Person.Sub })
		if i < 0 {
			i, people = len(people), append(people, signIn{Iss: p.Person.Iss, Sub: p.Person.Sub})
		}
		people[i].Passkeys = append(people[i].Passkeys, p.Credential)
		fmt.Fprintf(a.stderr, "%s  %s  level %s  confirmed by %s\n", writ.Printable(p.Person.Sub, 60), writ.Printable(p.Fingerprint, 60), p.Credential.Level, who(p.By))
	}
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(people)
}

func passkeyID(f *flags, args []string) (writ.PasskeyID, error) {
	rest, err := f.parse(args, 1)
	if err != nil {
		return "", err
	}
	id, err := writ.ParsePasskeyID(rest[0])
	if err != nil {
		return "", &usageError{"a passkey's id is psk_ and 26 characters", approverUsage}
	}
	return id, nil
}

func (a *app) printPasskey(format string, p writ.Passkey) error {
	return a.print(format, p, func() {
		where := "stays on its device"
		if p.Credential.Synced {
			where = "may be synced"
		}
		fmt.Fprintf(a.stdout, "%s  %s, level %s\n  person       %s  %s\n  fingerprint  %s\n  model        %s, %s\n  at           %s\n  enrolled     %s\n  changed      %s by %s\n",
			p.ID, p.State, p.Credential.Level, writ.Printable(p.Person.Iss, 300), writ.Printable(p.Person.Sub, 300), writ.Printable(p.Fingerprint, 60),
			writ.Printable(p.Credential.AAGUID, 40), where, writ.Printable(p.Credential.Origin, 200), clock(p.Enrolled), clock(p.Changed), who(p.By))
	})
}

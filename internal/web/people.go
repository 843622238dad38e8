package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook"
)

// words returns a field that a person wrote, with plain line ends.
func (f form) words(field, missing string) (string, error) {
	s := strings.TrimSpace(strings.ReplaceAll(f.Get(field), "\r\n", "\n"))
	if s == "" {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: missing, Hint: "go back and write it"}
	}
	return s, nil
}

// addNote keeps what a person wrote on an incident.
func (d *door) addNote(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParseIncidentID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	text, err := f.words("text", "the note is empty")
	if err != nil {
		return "", err
	}
	_, err = d.Incidents.AddNote(ctx, by, id, text)
	return "/incidents/" + string(id), err
}

// askEvidence asks whoever proposed a plan to read more.
func (d *door) askEvidence(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	text, err := f.words("text", "say what you want to see")
	if err != nil {
		return "", err
	}
	_, err = d.Plans.AskEvidence(ctx, by, id, text)
	return "/plans/" + string(id), err
}

// retire takes a playbook out of use.
func (d *door) retire(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	name := r.PathValue("name")
	if !writ.IsName(name) {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	_, err = d.Playbooks.RetirePlaybook(ctx, by, name, because)
	return "/playbooks/" + name, err
}

// A noteView is a note as it is shown: line by line.
type noteView struct{ writ.Note }

// Lines are the note's own lines.
func (n noteView) Lines() []string { return strings.Split(n.Text, "\n") }

func notesOf(all []writ.Note) (out []noteView) {
	for _, n := range all {
		out = append(out, noteView{n})
	}
	return out
}

// maxDiff bounds the lines of a difference on a page; the command line has all.
const maxDiff = 200

// A versionView is what one version of a playbook changed.
type versionView struct {
	writ.PlaybookVersion
	Was  int // the version before it; 0 for none
	Diff []diffLine
	Cut  bool
}

// A diffLine is one line of a difference, with a word for what it is.
type diffLine struct{ Word, Text string }

// versions puts each version beside the one before it.
func versions(all []writ.PlaybookVersion) (out []versionView) {
	signs := map[byte]string{'+': "new", '-': "gone", ' ': "same"}
	for i, v := range all {
		x := versionView{PlaybookVersion: v}
		if i+1 < len(all) {
			x.Was = all[i+1].Version
			for _, l := range playbook.Diff(all[i+1].Source, v.Source) {
				if len(x.Diff) == maxDiff {
					x.Cut = true
					break
				}
				x.Diff = append(x.Diff, diffLine{signs[l.Sign], l.Text})
			}
		}
		out = append(out, x)
	}
	return out
}

// A shelfItem is one playbook with what became of it on all services.
type shelfItem struct {
	writ.PlaybookSummary
	Tally writ.Tally
	On    int // services
}

// Success says how many of a hundred runs held; nothing where none was.
func (s shelfItem) Success() string { return success(s.Tally) }

func success(t writ.Tally) string {
	p, ok := t.Rate()
	if !ok {
		return ""
	}
	return number(int64(p)) + " %"
}

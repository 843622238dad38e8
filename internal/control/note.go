package control

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

const (
	// notesPerHour bounds one person's notes: who writes one a minute is a program.
	notesPerHour = 60

	// maxNotes bounds the notes that an incident is shown with, the newest ones.
	maxNotes = 100
)

// AddNote keeps what a person wrote on an incident, open or not. The entry names the person and commits to the text, which is
// kept off the ledger. Durable when it returns. People only.
func (c *Control) AddNote(ctx context.Context, by writ.Principal, incident writ.IncidentID, text string) (writ.Note, error) {
	n, err := c.addNote(ctx, by, incident, text)
	return n, c.deny(ctx, "note", by, "", err)
}

func (c *Control) addNote(ctx context.Context, by writ.Principal, incident writ.IncidentID, text string) (n writ.Note, err error) {
	if err := first(person(by), written("text", text, writ.MaxNote)); err != nil {
		return n, err
	}
	now, id := c.now(), "notes of "+personID(by)
	tooMany := func(after time.Duration, err error) error {
		if err == nil && after > 0 {
			err = &writ.Refusal{Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: after, Detail: fmt.Sprintf("you have written %d notes within an hour; that is the limit", notesPerHour)}
		}
		return err
	}
	// Before the transaction, so that a note that is refused leaves no text behind.
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		return first(incidentThere(tx, incident), tooMany(mustWait(tx, id, notesPerHour, time.Hour, now)))
	})
	if err != nil {
		return n, err
	}
	at, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(text))
	if err != nil {
		return n, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := incidentThere(tx, incident); err != nil {
			return err
		}
		if err := tooMany(spend(tx, id, notesPerHour, time.Hour, now)); err != nil {
			return err
		}
		e, err := c.append(tx, writ.EntryNote, incident, writ.NoteBody{By: by, Text: at, Size: len(text)})
		n = writ.Note{Index: e.index, By: by, At: now, Text: text}
		return err
	})
	return n, err
}

func incidentThere(tx *store.Tx, id writ.IncidentID) error {
	_, err := tx.Get(store.Incidents, string(id))
	return notFound(err, "incident", string(id))
}

// written checks a person's words: there are some, and not more than limit characters.
func written(field, text string, limit int) error {
	if n := utf8.RuneCountInString(text); n == 0 || n > limit || !utf8.ValidString(text) {
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("%s must have 1 to %d characters of UTF-8", field, limit)}
	}
	return nil
}

// notesAmong finds the notes among an incident's entries, the newest maxNotes of them, without their texts.
func notesAmong(tx *store.Tx, events []writ.Event) (notes []writ.Note, texts []writ.Commitment, err error) {
	var found []writ.Event
	for _, e := range events {
		if e.Kind == writ.EntryNote {
			found = append(found, e)
		}
	}
	for _, e := range found[max(0, len(found)-maxNotes):] {
		leaf, err := tx.Leaf(e.Index)
		if err != nil {
			return nil, nil, err
		}
		opened, err := ledger.Open(leaf)
		if err != nil {
			return nil, nil, err
		}
		b, ok := opened.Body.(*writ.NoteBody)
		if !ok {
			return nil, nil, fmt.Errorf("%w: entry %d is no note", writ.ErrInvalid, e.Index)
		}
		notes, texts = append(notes, writ.Note{Index: e.Index, By: b.By, At: e.Time}), append(texts, b.Text)
	}
	return notes, texts, nil
}

// kept reads a text that may have been erased meanwhile; it is empty then.
func (c *Control) kept(ctx context.Context, at writ.Commitment) (string, error) {
	s, err := c.text(ctx, at)
	if errors.Is(err, writ.ErrNotFound) {
		return "", nil
	}
	return s, err
}

package web

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/redact"
)

// Limits of raw text on a page: what a person reads on a screen. The command line has the rest.
const (
	maxLines = 300
	maxLine  = 1000     // characters
	maxRaw   = 16 << 10 // characters of one text
)

// An evidenceView is one reading with its bytes.
type evidenceView struct {
	writ.Evidence
	raw
	Against *compared // with an earlier reading; nil for none
}

// A raw text is shown line by line, with everything that hides made visible.
type raw struct {
	Lines [][]piece
	Cut   int // bytes that are not shown
}

// A piece of a line is text, or the mark of a secret that was taken out.
type piece struct {
	Text     string
	Redacted bool
}

// lines takes a text apart for showing.
func lines(b []byte) raw {
	var out raw
	shown, room := 0, maxRaw
	for line := range bytes.Lines(b) {
		if len(out.Lines) == maxLines || room <= 0 {
			break
		}
		shown += len(line)
		s := writ.Printable(string(bytes.TrimRight(line, "\r\n")), min(maxLine, room))
		room -= len(s)
		var pieces []piece
		for i, part := range strings.Split(s, redact.Mark) {
			if i > 0 {
				pieces = append(pieces, piece{redact.Mark, true})
			}
			if part != "" {
				pieces = append(pieces, piece{part, false})
			}
		}
		out.Lines = append(out.Lines, pieces)
	}
	out.Cut = len(b) - shown
	return out
}

func (d *door) evidence(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	id, err := writ.ParseEvidenceID(r.PathValue("id"))
	if err != nil {
		return view{}, writ.ErrNotFound
	}
	e, b, err := d.Readings.Evidence(ctx, by, id)
	if err != nil {
		return view{}, err
	}
	v := evidenceView{Evidence: e, raw: lines(b)}
	if was, err := writ.ParseEvidenceID(r.URL.Query().Get("against")); err == nil && was != id {
		before, text, err := d.Readings.Evidence(ctx, by, was)
		if err != nil {
			return view{}, err
		}
		v.Against = compare(before, lines(text), e, v.raw)
	}
	return view{title: "Evidence: " + short(e.Query.Reader), data: v}, nil
}

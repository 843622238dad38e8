package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"text/tabwriter"
	"time"

	"github.com/writ-dev/writ"
)

// print writes v as the API's object, or lets text write it for people.
func (a *app) print(format string, v any, text func()) error {
	if format == "text" {
		text()
		return nil
	}
	e := json.NewEncoder(a.stdout)
	if format == "json" {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

// printList writes a list: one JSON array, one object a line, or a table with a header.
func printList[T any](a *app, format string, list iter.Seq2[T, error], header string, row func(T) string) error {
	var all []T
	for v, err := range list {
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	switch format {
	case "jsonl":
		e := json.NewEncoder(a.stdout)
		for _, v := range all {
			if err := e.Encode(v); err != nil {
				return err
			}
		}
		return nil
	case "json":
		if all == nil {
			all = []T{}
		}
		return a.print("json", all, nil)
	}
	if len(all) == 0 {
		fmt.Fprintln(a.stderr, "nothing")
		return nil
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for _, v := range all {
		fmt.Fprintln(w, row(v))
	}
	return w.Flush()
}

// clock renders an instant as stored: UTC.
func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }

// event renders one ledger entry on one line. The word comes first, so that nothing rests on a symbol.
func event(e writ.Event) string {
	mark := "✔"
	if !e.OK {
		mark = "✗"
	}
	return fmt.Sprintf("%s %s  %-11s  %s", mark, clock(e.Time), e.Kind, writ.Printable(e.Summary, 300))
}

func who(p writ.Principal) string { return string(p.Kind) + ":" + writ.Printable(p.Sub, 60) }

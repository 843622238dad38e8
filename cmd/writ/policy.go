package main

import (
	"context"
	"encoding/xml"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

func runPolicyTest(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "policy test", "[--set dir] [--playbooks dir | -c writ.yaml] [-o text|json|junit]", "Loads a policy set as the server would and runs its tests: the set that ships with Writ, or the one in a directory. Tells which rules hold in no case, decide alone in no case, or stand in the way of every case. Exit 5 on any of it.")
	s := policyFlags(f)
	format := f.String("o", "text", "output: text, json or junit")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if *format != "text" && *format != "json" && *format != "junit" {
		return &usageError{fmt.Sprintf("-o %s is unknown", writ.Printable(*format, 20)), "use -o text, -o json or -o junit"}
	}
	b, err := s.load()
	if err != nil {
		return err
	}
	report, err := policy.Test(b)
	if err != nil {
		return err
	}
	if *format == "junit" {
		err = a.junit(report)
	} else {
		err = a.print(*format, report, func() { a.tested(report, len(b.Rules())) })
	}
	if err == nil && !report.OK() {
		err = &exitError{exitDiffers, ""}
	}
	return err
}

// uncovered are the lists of a report, each with its sentence about one rule.
func uncovered(r policy.Report) map[string][]string {
	return map[string][]string{
		"holds in no case": r.NotSatisfied,
		"decides alone in no case: it could be lost unnoticed": r.NotAlone,
		"is needed by no case":                                 r.NotUsed,
		"stands in the way of every case":                      r.NotCleared,
	}
}

func (a *app) tested(r policy.Report, rules int) {
	for _, x := range r.Failures {
		fmt.Fprintln(a.stdout, x)
	}
	for _, what := range sortedKeys(uncovered(r)) {
		for _, id := range uncovered(r)[what] {
			fmt.Fprintf(a.stdout, "%s %s\n", id, what)
		}
	}
	if r.OK() {
		fmt.Fprintf(a.stdout, "✔ %d cases, %d rules, each decides alone somewhere\n", r.Cases, rules)
	}
}

// The form that CI servers read; each uncovered rule is a case of its own that fails.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func (a *app) junit(r policy.Report) error {
	s := junitSuite{Name: "policy"}
	add := func(class, name string, f *junitFailure) {
		s.Tests++
		if f != nil {
			s.Failures++
		}
		s.Cases = append(s.Cases, junitCase{class, name, f})
	}
	for _, x := range r.Results {
		if x.Failure == nil {
			add(x.File, x.Case, nil)
			continue
		}
		add(x.File, x.Case, &junitFailure{"got " + x.Failure.Got, "want " + x.Failure.Want + "\nfacts " + x.Failure.Facts})
	}
	for _, what := range sortedKeys(uncovered(r)) {
		for _, id := range uncovered(r)[what] {
			add("coverage", id, &junitFailure{id + " " + what, ""})
		}
	}
	fmt.Fprint(a.stdout, xml.Header)
	e := xml.NewEncoder(a.stdout)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	return nil
}

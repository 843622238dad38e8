package study

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/policy"
)

// Bounds of what a person writes to change a request: there are fewer facts than lines.
const (
	maxSupposed  = 60  // lines
	maxFactText  = 200 // characters of one
	absent       = "absent"
	maxLookAhead = 365 * 24 * time.Hour // of changeFreezeUntil as a duration from now on
)

// Suppose changes facts of a request as a text says, one a line: name = value, where absent takes a fact away. Names are
// those that a decision records. It is for questions of people, and what comes out is not checked to be possible.
// Errors wrap writ.ErrInvalid, and name the line, the fact and the values that it takes.
func Suppose(b *policy.Bundle, q policy.Request, text string) (policy.Request, error) {
	q = copied(q)
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if len(lines) > maxSupposed {
		return q, fmt.Errorf("%w: facts: at most %d lines", writ.ErrInvalid, maxSupposed)
	}
	for i, line := range lines {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || value == "" || len(line) > maxFactText {
			return q, fmt.Errorf("%w: facts, line %d: write name = value, such as severity = 1", writ.ErrInvalid, i+1)
		}
		if err := set(b, &q.Facts, name, value); err != nil {
			return q, fmt.Errorf("%w: facts, line %d: %w", writ.ErrInvalid, i+1, err)
		}
	}
	return q, nil
}

// set changes one fact. Its errors are sentences without a kind.
func set(b *policy.Bundle, f *policy.Facts, name, value string) error {
	if i := slices.IndexFunc(numbers, func(n numberFact) bool { return n.name == name }); i >= 0 {
		n, err := number(name, value, 0, numbers[i].most)
		*numbers[i].of(f) = n
		return err
	}
	if i := slices.IndexFunc(optionals, func(n optionalFact) bool { return n.name == name }); i >= 0 {
		if value == absent {
			*optionals[i].of(f) = nil
			return nil
		}
		n, err := number(name, value, optionals[i].least, optionals[i].most)
		*optionals[i].of(f) = &n
		return err
	}
	if i := slices.IndexFunc(truths, func(n truthFact) bool { return n.name == name }); i >= 0 {
		v, err := truth(name, value)
		*truths[i].of(f) = v
		return err
	}
	words := b.Words()
	for word, of := range map[string]*string{"service": &f.Service, "team": &f.Team, "owningTeam": &f.OwningTeam} {
		if name == word {
			*of = value
			return nil
		}
	}
	switch name {
	case "env":
		f.Env = value
		return among(name, []string{value}, words.Envs)
	case "roles", "planes":
		list := slices.Compact(slices.Sorted(strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ' ' })))
		if value == absent {
			list = nil
		}
		if name == "roles" {
			f.Roles = list
			return among(name, list, words.Roles)
		}
		f.Planes = list
		return among(name, list, words.Planes)
	case "emergency", "inWindow":
		if name == "inWindow" && value == absent {
			f.InWindow = nil
			return nil
		}
		v, err := truth(name, value)
		if name == "emergency" {
			f.Emergency = v
		} else {
			f.InWindow = &v
		}
		return err
	case "changeFreezeUntil":
		return until(f, value)
	}
	return fmt.Errorf("there is no fact %q; there are %s", writ.Printable(name, 40), strings.Join(Facts(), ", "))
}

// Facts are the names of the facts that Suppose changes, sorted.
func Facts() []string {
	all := map[string]bool{"service": true, "team": true, "owningTeam": true, "env": true, "roles": true, "planes": true, "emergency": true, "inWindow": true, "changeFreezeUntil": true}
	for _, n := range numbers {
		all[n.name] = true
	}
	for _, n := range optionals {
		all[n.name] = true
	}
	for _, n := range truths {
		all[n.name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func number(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is a number from %d to %d", name, least, most)
	}
	return n, nil
}

func truth(name, value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, fmt.Errorf("%s is true or false", name)
	}
	return value == "true", nil
}

func among(name string, values, known []string) error {
	for _, v := range values {
		if !slices.Contains(known, v) {
			return fmt.Errorf("%s is of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func until(f *policy.Facts, value string) error {
	if value == absent {
		f.ChangeFreezeUntil = nil
		return nil
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 && n <= canon.MaxInt { // as decisions record it
		f.ChangeFreezeUntil = &n
		return nil
	}
	d, err := time.ParseDuration(strings.TrimPrefix(value, "+"))
	if err != nil || d < -maxLookAhead || d > maxLookAhead {
		return fmt.Errorf("changeFreezeUntil is a duration from now on, such as +2h, or %s", absent)
	}
	f.ChangeFreezeUntil = new(f.Now + int64(d/time.Second))
	return nil
}

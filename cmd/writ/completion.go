package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// shells are the scripts. Each asks the program itself for the words that may follow, so that they are those of the command
// table as it is, and hands the words over as arguments: nothing of a command line is evaluated.
var shells = map[string]string{
	"bash": `# bash completion of writ: source <(writ completion bash)
_writ() {
    local IFS=$'\n'
    COMPREPLY=($(writ completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _writ writ
`,
	"zsh": `#compdef writ
# zsh completion of writ: source <(writ completion zsh)
_writ() {
    local -a found
    found=("${(@f)$(writ completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -- ${found:#}
}
compdef _writ writ
`,
	"fish": `# fish completion of writ: writ completion fish | source
complete -c writ -f -a '(writ completion words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
}

func runCompletion(ctx context.Context, a *app, args []string) error {
	if len(args) > 0 && args[0] == "words" { // what the scripts ask; not for people
		words := args[1:]
		if len(words) > 0 && words[0] == "--" {
			words = words[1:]
		}
		for _, w := range a.complete(ctx, words) {
			fmt.Fprintln(a.stdout, w)
		}
		return nil
	}
	f := newFlags(a, "completion", "bash|zsh|fish", "Prints a script that completes commands, flags and, where a server answers at once, ids.\n  bash: source <(writ completion bash)\n  zsh:  source <(writ completion zsh)\n  fish: writ completion fish | source")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	script, ok := shells[rest[0]]
	if !ok {
		return &usageError{fmt.Sprintf("there is no completion for %q", writ.Printable(rest[0], 30)), "writ completion bash, zsh or fish"}
	}
	_, err = io.WriteString(a.stdout, script)
	return err
}

// complete returns what may stand in place of the last of the words.
func (a *app) complete(ctx context.Context, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	found, rest := deepest(before)
	if strings.HasPrefix(last, "-") && found != nil {
		return begins(flagsOf(found), last)
	}
	var out []string
	for _, c := range commands() { // a further word of a command's name
		name := strings.Fields(c.name)
		if len(name) > len(before) && slices.Equal(name[:len(before)], before) {
			out = append(out, name[len(before)])
		}
	}
	if found != nil && len(rest) == 0 {
		out = append(out, a.values(ctx, found.args, last)...)
	}
	return begins(out, last)
}

// deepest finds the command with the most words in common, and the arguments that follow it.
func deepest(words []string) (*command, []string) {
	var found *command
	n := 0
	for _, c := range commands() {
		name := strings.Fields(c.name)
		if len(name) > n && len(words) >= len(name) && slices.Equal(words[:len(name)], name) {
			found, n = &c, len(name)
		}
	}
	var rest []string
	for i := n; i < len(words); i++ {
		if strings.HasPrefix(words[i], "-") {
			continue
		}
		if i > n && strings.HasPrefix(words[i-1], "-") && !strings.Contains(words[i-1], "=") {
			continue // perhaps a flag's value: offering one id too many does no harm
		}
		rest = append(rest, words[i])
	}
	return found, rest
}

// flagsOf asks a command for its flags: as its help does, and without running it.
func flagsOf(c *command) []string {
	var out []string
	quiet := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, describe: func(f *flag.FlagSet) {
		f.VisitAll(func(x *flag.Flag) {
			dashes := "--"
			if len(x.Name) == 1 {
				dashes = "-"
			}
			out = append(out, dashes+x.Name)
		})
	}}
	_ = c.run(context.Background(), quiet, []string{"-h"}) // flag.ErrHelp
	return out
}

// idTime bounds asking the server for ids: who presses a key does not wait longer.
const idTime = time.Second

// maxIDs is as many as a person looks through.
const maxIDs = 20

// values are the arguments that a command may take: the words that its table names, or ids that the server lists at once.
func (a *app) values(ctx context.Context, args, last string) []string {
	what, _, _ := strings.Cut(args, " ")
	if strings.Contains(what, "|") && !strings.ContainsAny(what, "<[-") {
		return strings.Split(what, "|")
	}
	prefix := map[string]string{"<plan>": "pln_", "<run>": "run_", "<incident>": "inc_", "<freeze>": "frz_", "<handoff>": "hnd_"}[what]
	if !strings.HasPrefix(prefix, last[:min(len(last), len(prefix))]) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, idTime)
	defer cancel()
	r := &remote{format: "text"}
	if prefix == "" && what != "<playbook>" && what != "<name>" && what != "<group" && what != "<group>" && what != "[group]" || r.open() != nil {
		return nil
	}
	var out []string
	add := func(id string) bool { out = append(out, id); return len(out) < maxIDs }
	switch what {
	case "<plan>":
		for p, err := range r.Plans(ctx, writ.PlanFilter{}) {
			if err != nil || !add(string(p.ID)) {
				break
			}
		}
	case "<run>":
		for x, err := range r.Runs(ctx, writ.RunFilter{}) {
			if err != nil || !add(string(x.ID)) {
				break
			}
		}
	case "<incident>":
		for x, err := range r.Incidents(ctx, writ.IncidentFilter{}) {
			if err != nil || !add(string(x.ID)) {
				break
			}
		}
	case "<freeze>":
		for x, err := range r.Freezes(ctx) {
			if err != nil || !add(string(x.ID)) {
				break
			}
		}
	case "<handoff>":
		for x, err := range r.HandOffs(ctx, "") {
			if err != nil || !add(string(x.ID)) {
				break
			}
		}
	case "<playbook>":
		for x, err := range r.Playbooks(ctx, "") {
			if err != nil || !add(x.Name) {
				break
			}
		}
	case "<name>":
		for x, err := range r.Agents(ctx) {
			if err != nil || !add(x.Name) {
				break
			}
		}
	default:
		for x, err := range r.OnCalls(ctx) {
			if err != nil || !add(x.Group) {
				break
			}
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return strings.ContainsFunc(s, notPlain) })
}

// notPlain finds what is not a plain word in every shell, whatever the server says.
func notPlain(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", c)
}

// begins keeps those that begin with what was typed, sorted and each once.
func begins(all []string, with string) []string {
	out := slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, with) })
	slices.Sort(out)
	return slices.Compact(out)
}

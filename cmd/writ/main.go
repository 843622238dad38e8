// Command writ is all of Writ: the control plane, the runner, the signer, and the command line of the people who
// approve, stop and verify. Run "writ help" for the commands.
//
// The answer goes to standard output; progress, errors and hints go to standard error. Exit statuses are published in
// exit.go and never change their meaning.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/writ-dev/writ"
)

// A command is one verb, or a noun with verbs of its own.
type command struct {
	name  string // "plan show"
	args  string // "<plan>"
	about string // one line
	run   func(ctx context.Context, a *app, args []string) error
}

// An app is what every command is given.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	describe func(*flag.FlagSet) // when set, help is for a program: it gets the flags
}

func commands() []command {
	return []command{
		{"init", "<dir>", "write a working installation: keys, configurations, trust file", runInit},
		{"demo", "", "play an incident end to end on a small storefront", runDemo},
		{"storefront", "<dir>", "open a small storefront to practise on, and write an installation for it", runStorefront},
		{"storefront break", "<dir> <trouble>", "let something go wrong in the storefront", runStorefrontBreak},
		{"serve", "-c writ.yaml [--dev]", "run the control plane", runServe},
		{"runner", "-c runner.yaml", "run a runner next to its targets", runRunner},
		{"mcp", "--server https://… (--token-file f | --assertion-file f [--svid] | --client-cert f --client-key f)", "bridge for agents that speak MCP over standard input and output", runMCP},
		{"runner breakglass", "<playbook> -c runner.yaml --service … [--param …] [-f file]", "on the runner's host, control plane down: make an emergency plan to be signed", runRunnerBreakGlass},
		{"runner breakglass run", "<signature …> -c runner.yaml", "run an emergency plan that enough people have signed", runRunnerBreakGlassRun},
		{"runner catalogue", "-c runner.yaml", "print what a runner can do, for the control plane's configuration", runCatalogue},
		{"runner sql", "<postgres://target> -c runner.yaml", "print the statements that let a runner read a database's views", runRunnerSQL},
		{"runner invite", "--name NAME", "make a one-time code with which a runner enrols", runRunnerInvite},
		{"runner enroll", "--server URL --code CODE [--dir runner]", "make a runner's key here and have it registered", runRunnerEnroll},
		{"runner list", "", "list runners' keys and open invitations", runRunnerList},
		{"runner remove", "<name> [--key sha256:…] --reason …", "take a runner's keys away; what it has in hand ends", runRunnerRemove},
		{"ceiling show", "<trust.json>", "say what a runner may do at most, and whom it believes", runCeilingShow},
		{"ceiling sign", "<trust.json> --key owner.pem [--new contents.json]", "sign a runner's trust file as its owner", runCeilingSign},
		{"ceiling verify", "[trust.json] -c runner.yaml", "check a trust file as the runner would", runCeilingVerify},
		{"ceiling diff", "<old.json> <new.json>", "say what a trust file raises and lowers", runCeilingDiff},
		{"signer", "-c signer.yaml", "run the process that signs checkpoints", runSigner},
		{"doctor", "-c writ.yaml [--runner runner.yaml]", "check configuration, keys, ledger, signer, runners and targets", runDoctor},
		{"login", "", "log in by browser, at your organisation's identity provider", runLogin},
		{"session list", "", "list your own logins", runSessionList},
		{"session revoke", "<session>", "end one of your own logins", runSessionRevoke},
		{"status", "", "queue, runs, runners, ledger head, freezes", runStatus},
		{"inbox", "", "what waits for people", runInbox},
		{"approve", "<plan> [--sk] [--reason …]", "show a plan, then sign your approval of it", runApprove},
		{"reject", "<plan> [--sk] [--reason …]", "show a plan, then sign your rejection of it", runReject},
		{"recall", "<plan>", "take your own approval back before the run begins", runRecall},
		{"oncall show", "[group]", "who is on call, and how that is known", runOnCallShow},
		{"oncall delegate", "<group> --to PERSON --for 4h", "hand your own turn to another member of the group", runOnCallDelegate},
		{"oncall return", "<group | dlg_…>", "give a turn back before its time", runOnCallReturn},
		{"plan new", "<playbook> --incident inc_… [--param k=v …]", "propose a repair yourself", runPlanNew},
		{"plan list", "[--state …]", "list plans, newest first", runPlanList},
		{"plan show", "<plan>", "show the exact change, its radius, evidence and undo", runPlanShow},
		{"plan explain", "<plan>", "say by which rules a plan is decided, and what would change that", runPlanExplain},
		{"plan diff", "<plan> [<other>]", "say in what a plan differs from another, or from the last of its kind", runPlanDiff},
		{"plan ask-evidence", "<plan> --text …", "ask whoever proposed a plan to read more before you answer it", runPlanAskEvidence},
		{"plan withdraw", "<plan> --reason …", "take a plan back", runPlanWithdraw},
		{"grant list", "[--state open]", "list grants, newest first", runGrantList},
		{"grant show", "<grant>", "show a grant with its plan and run", runGrantShow},
		{"grant revoke", "<grant> --reason …", "revoke a grant; its run never begins, or stops", runGrantRevoke},
		{"run list", "", "list runs, newest first", runRunList},
		{"run show", "<run>", "show a run with its story", runRunShow},
		{"run watch", "<run>", "follow a run until it has ended and its lease is dead", runRunWatch},
		{"run receipt", "<run> [--bundle file] [--trust verify.json]", "print what the runner signed about a run that has ended", runRunReceipt},
		{"run stop", "<run> --reason …", "stop a run at its next step and undo it", runRunStop},
		{"run undo", "<run> [--reason …]", "put a run back, with the newer ones of its incident", runRunUndo},
		{"run settle", "<run> --step N --as applied|not-applied --reason …", "say what a step of an uncertain run did", runRunSettle},
		{"incident list", "[--state open]", "list incidents", runIncidentList},
		{"incident show", "<incident>", "show an incident with its plans and evidence", runIncidentShow},
		{"incident timeline", "<incident>", "who authorised what and why, in order", runIncidentTimeline},
		{"incident note", "<incident> (--text … | -)", "write a note on an incident, under your name", runIncidentNote},
		{"incident undo", "<incident> [--run run_…] [--reason …]", "put an incident's runs back, newest first", runIncidentUndo},
		{"evidence read", "<reader> --incident inc_… --target … [--param …]", "let a runner read, for an incident", runEvidenceRead},
		{"evidence readers", "--incident inc_… [--target …]", "list what can be read for an incident", runEvidenceReaders},
		{"evidence show", "<evidence>", "show one reading", runEvidenceShow},
		{"evidence verify", "<evidence | file> [--bundle file] [--trust verify.json]", "check that a reading is what the ledger commits to", runEvidenceVerify},
		{"playbook list", "[--service …]", "list the repairs that can be asked for", runPlaybookList},
		{"playbook show", "<playbook>", "describe one playbook", runPlaybookShow},
		{"playbook diff", "<playbook> [--from N] [--to N]", "show what changed from one version of a playbook to another", runPlaybookDiff},
		{"playbook retire", "<playbook> --reason …", "take a playbook of your team out of use", runPlaybookRetire},
		{"playbook lint", "<file …> [--catalogue file]", "check playbooks against what connectors can do", runPlaybookLint},
		{"playbook init", "<name> --from <playbook> --owner TEAM", "write a playbook of your own, from one that works", runPlaybookInit},
		{"catalogue list", "[--catalogue file …]", "list what connectors can do", runCatalogueList},
		{"catalogue show", "<operation | reader>", "describe one operation or reader", runCatalogueShow},
		{"catalogue coverage", "[--playbooks dir] [--catalogue file …]", "say which operations undo, and which playbooks use them", runCatalogueCoverage},
		{"playbook record", "[playbook] [--service …]", "show what became of playbooks on services, and what Writ proposes", runPlaybookRecord},
		{"playbook autonomy", "<playbook> --service … --to T1 --reason … [--sk]", "move a playbook by one tier on a service, by your signature", runPlaybookAutonomy},
		{"policy test", "[--set dir] [--playbooks dir | -c writ.yaml] [-o text|json|junit]", "run the tests of a policy set", runPolicyTest},
		{"policy lint", "[--set dir] [--playbooks dir | -c writ.yaml]", "search for rules that never matter", runPolicyLint},
		{"policy explain", "<case | dec_…> [--set dir] [--bundle file]", "say why a request is decided as it is, and what would change it", runPolicyExplain},
		{"policy simulate", "[--set dir] [--bundle file] [--since 720h]", "decide recorded decisions again under another set", runPolicySimulate},
		{"policy diff", "<before dir> <after dir>", "search for requests that two sets decide differently", runPolicyDiff},
		{"policy sign", "<dir> --key owner.pem [--version N]", "sign a policy set as one of its owners", runPolicySign},
		{"policy verify", "<dir> -c writ.yaml | --owner file … --threshold N", "check who signed a policy set", runPolicyVerify},
		{"policy publish", "<dir> [--because …]", "propose to put a tested and signed set in force; two others approve it", runPolicyPublish},
		{"policy changes", "[--state …]", "list changes of the policy set, newest first", runPolicyChanges},
		{"policy show", "<change>", "show what a change puts in force, and what that was found to do", runPolicyShow},
		{"policy approve", "<change> [--sk]", "show a change, then sign your approval of it; the last one puts it in force", runPolicyApprove},
		{"policy reject", "<change> [--sk]", "show a change, then sign your rejection of it", runPolicyReject},
		{"policy withdraw", "<change>", "take a change back", runPolicyWithdraw},
		{"policy fetch", "<version | change | current> <dir>", "write the files of a set into a new directory", runPolicyFetch},
		{"policy who-can", "-c writ.yaml [--service …] [--playbook …] [--agent …]", "list what each agent would get for each playbook on each service", runPolicyWhoCan},
		{"freeze", "--all | --agent|--service|--playbook|--target NAME --reason …", "stop new grants and further steps now", runFreeze},
		{"freeze list", "", "list what is frozen now", runFreezeList},
		{"unfreeze", "<freeze> | --all | --agent|--service|--playbook|--target NAME --reason …", "lift a freeze, by its id or by what it stops", runUnfreeze},
		{"notify list", "-c writ.yaml", "list who is told of what, and by which channel", runNotifyList},
		{"notify test", "<channel> [-c writ.yaml [--to person]]", "send yourself a marked test notice by one channel", runNotifyTest},
		{"breakglass open", "<playbook> --incident inc_… --justification … [--sk]", "ask for an emergency playbook, with a signed proof", runBreakGlassOpen},
		{"breakglass list", "[--state …]", "list uses of break-glass, newest first", runBreakGlassList},
		{"breakglass show", "<break-glass>", "show one use of break-glass", runBreakGlassShow},
		{"breakglass review", "<break-glass> --verdict … --note …", "look back at a use; overdue, it blocks the team's next", runBreakGlassReview},
		{"breakglass drill", "<playbook> --service … [--sk]", "exercise one use and one refusal, monthly", runBreakGlassDrill},
		{"breakglass sign", "<request.json> [-f file] [--sk]", "sign a plan that a cut-off runner has made", runBreakGlassSign},
		{"upstream list", "", "list tools of other MCP servers, and what is approved", runUpstreamList},
		{"upstream show", "<upstream>__<tool>", "show what an upstream offers and what was approved", runUpstreamShow},
		{"upstream diff", "<upstream>__<tool>", "show how the offered tool differs from the approved one", runUpstreamDiff},
		{"upstream verify", "<upstream>", "look at an upstream now; what changed is turned off", runUpstreamVerify},
		{"upstream pin", "<upstream>__<tool> --digest … --reason … [--vouch-read]", "approve a tool as a reading", runUpstreamPin},
		{"upstream unpin", "<upstream>__<tool> --reason …", "turn a tool off", runUpstreamUnpin},
		{"agent add", "<name> --iss … --sub … --team … [--role …]", "register an agent, and answer for it", runAgentAdd},
		{"agent list", "[--state …]", "list registered agents", runAgentList},
		{"agent show", "<name> [-o holmesgpt|claude|kagent|stdio]", "show an agent, or the configuration of its client", runAgentShow},
		{"agent suspend", "<name> --reason …", "stop an agent: plans, grants and runs end now", runAgentSuspend},
		{"agent resume", "<name> --reason …", "let a suspended agent go on", runAgentResume},
		{"agent rotate", "<name> --iss … --sub … --reason …", "give an agent a new identity; the old one ends", runAgentRotate},
		{"agent remove", "<name> --reason …", "remove an agent for good", runAgentRemove},
		{"agent record", "[name]", "show what became of what agents asked for", runAgentRecord},
		{"agent restore", "<name> --reason … [--sk]", "give T1 back to an agent, by your signature", runAgentRestore},
		{"review list", "[--state owed]", "list the looks back at runs that grants demanded", runReviewList},
		{"review make", "<run> --verdict … --note …", "look back at a run", runReviewMake},
		{"report unused", "[--days 30]", "list grants, playbooks and roles that nobody used", runReportUnused},
		{"approver list", "[--state …]", "list people's passkeys for approving", runApproverList},
		{"approver show", "<passkey>", "show one passkey with its fingerprint and level", runApproverShow},
		{"approver confirm", "<passkey> --fingerprint SHA256:…", "let another person's passkey approve from now on", runApproverConfirm},
		{"approver remove", "<passkey>", "remove a passkey for good", runApproverRemove},
		{"approver export", "", "print the passkeys that the owner of a runner's cell has to sign in", runApproverExport},
		{"handoff list", "[--incident inc_…]", "list who passed which incident on to whom", runHandOffList},
		{"handoff show", "<handoff>", "show a hand-off with its lineage", runHandOffShow},
		{"handoff revoke", "<handoff>", "take a hand-off back, with what was passed on from it", runHandOffRevoke},
		{"keys list", "-c writ.yaml", "list the keys that can be replaced, with their state and age", runKeysList},
		{"keys rotate", "announce|switch|retire [--key grant|token|dispatch|control|runner|log] -c writ.yaml", "replace a key without losing what is in flight", runKeysRotate},
		{"ledger tail", "[--follow]", "print ledger entries as sentences", runLedgerTail},
		{"ledger search", "[--kind …] [--incident inc_…] [--actor …] [--since …] [--until …]", "search the ledger, newest entries first", runLedgerSearch},
		{"ledger export", "[--incident inc_…] [-f file]", "write a bundle for offline verification", runLedgerExport},
		{"ledger verify", "<bundle> --trust verify.json [--pin checkpoint]", "verify a bundle offline", runLedgerVerify},
		{"report friction", "[--since 720h] [--incident inc_…]", "what Writ added: seconds and answers, by incident and tier, from the ledger", runReportFriction},
		{"completion", "bash|zsh|fish", "print a script that completes commands, flags and ids in a shell", runCompletion},
		{"bench", "", "measure the whole cycle alert to revoked on this machine", runBench},
		{"version", "", "print the version", runVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run finds the command with the most words in common with args and runs it.
func run(ctx context.Context, a *app, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(a.stdout, args)
		return exitDone
	}
	var found *command
	words := 0
	for _, c := range commands() {
		name := strings.Fields(c.name)
		if len(name) > words && len(args) >= len(name) && strings.Join(args[:len(name)], " ") == c.name {
			found, words = &c, len(name)
		}
	}
	if found == nil {
		return a.fail(unknown(args))
	}
	err := found.run(ctx, a, args[words:])
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	return a.fail(err)
}

// unknown suggests the nearest commands.
func unknown(args []string) error {
	var near []string
	for _, c := range commands() {
		if strings.HasPrefix(c.name, args[0]+" ") || len(args[0]) > 2 && strings.HasPrefix(c.name, args[0][:2]) {
			near = append(near, "writ "+c.name)
		}
	}
	hint := "writ help lists the commands"
	if len(near) > 0 {
		hint = "did you mean: " + strings.Join(near, ", ")
	}
	return &usageError{fmt.Sprintf("there is no command %q", writ.Printable(strings.Join(args[:min(2, len(args))], " "), 60)), hint}
}

func usage(w io.Writer, args []string) {
	fmt.Fprint(w, "writ lets AI agents repair production without ever holding power over it.\n\n")
	for _, c := range commands() {
		if len(args) > 1 && !strings.HasPrefix(c.name, strings.Join(args[1:], " ")) {
			continue
		}
		fmt.Fprintf(w, "  writ %-22s %s\n", c.name, c.about)
		if len(args) > 1 {
			fmt.Fprintf(w, "       writ %s %s\n", c.name, c.args)
		}
	}
	fmt.Fprint(w, "\nCommands that ask the server read --config (default ./cli.yaml, then $HOME/.config/writ/cli.yaml); -o json prints the API's object.\n")
}

// version is set by the release build; a build from source says so.
var version = "dev"

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "dev" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev-" + s.Value[:12]
			}
		}
	}
	return version
}

func runVersion(_ context.Context, a *app, _ []string) error {
	fmt.Fprintln(a.stdout, "writ", buildVersion())
	return nil
}

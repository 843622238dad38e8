// Package fault names the points at which a test may kill, stop, slow or fail a process of Writ: before and after every
// durable write, every call of a target, and every call of a runner to the control plane. The table is closed, and the
// crash matrix of e2e/crash fails when one of its points is never passed.
//
// Without the build tag faults all of it compiles to nothing: the functions are empty, Clock is time.Now, and no name of
// a point is in the binary; a test looks. With the tag, the file that the environment variable WRIT_FAULTS names says
// what happens and where; see the constants of verbs. The file may be replaced, by rename, while the process runs:
// passages are then counted anew.
package fault

// Variable is the environment variable that names the file.
const Variable = "WRIT_FAULTS"

// An Op is a write or a call. Each has two points: before it and after it.
type Op uint8

// The writes and calls. Journal, Target and Link are the runner's, Store and Control the control plane's.
const (
	JournalOpen      Op = iota // schema and checks
	JournalPlan                // a plan with its bytes
	JournalProof               // a holder's proof is used
	JournalSpent               // a grant is spent: the commit point of a run
	JournalRefused             // a run is refused before its grant is spent
	JournalIntent              // lease entry and first intent are sealed
	JournalProved              // receipts are checked; an intent is acknowledged
	JournalVoid                // the ledger refused an entry
	JournalLease               // a lease to undo with has a name
	JournalMinting             // something may be minted under it
	JournalHandle              // a lease has a handle, and no power yet
	JournalEffect              // the outcome of a call, with the next intent
	JournalTurned              // the run goes towards safety
	JournalCheck               // one check of the verification
	JournalUndo                // the intent of an undo
	JournalUndone              // the outcome of an undo
	JournalRevoking            // a revocation begins
	JournalRevoked             // the target took it
	JournalProbed              // what a probe saw
	JournalConcluded           // a run's outcome
	JournalEnded               // a run's last entry
	JournalMark                // feed epoch and trust version
	JournalPruned              // what is old is forgotten

	TargetObserve
	TargetPlan
	TargetMint
	TargetDo
	TargetSettle
	TargetUndo
	TargetRevoke
	TargetProbe

	LinkDeliver // entries to the control plane
	LinkAnswer  // the answer to an assignment

	StoreCommit    // state and entries
	StoreBlob      // evidence and texts
	ControlPlan    // inside the transaction that takes and decides a plan
	ControlReserve // inside the one that reserves the blast radius
	ControlGrant   // and enters the grant

	SignerHead // the signer's memory

	ops // how many there are
)

// names are the points' words in files and tables.
var names = [ops]string{
	JournalOpen: "journal-open", JournalPlan: "journal-plan", JournalProof: "journal-proof", JournalSpent: "journal-spent", JournalRefused: "journal-refused",
	JournalIntent: "journal-intent", JournalProved: "journal-proved", JournalVoid: "journal-void", JournalLease: "journal-lease", JournalMinting: "journal-minting", JournalHandle: "journal-handle",
	JournalEffect: "journal-effect", JournalTurned: "journal-turned", JournalCheck: "journal-check", JournalUndo: "journal-undo", JournalUndone: "journal-undone",
	JournalRevoking: "journal-revoking", JournalRevoked: "journal-revoked", JournalProbed: "journal-probed", JournalConcluded: "journal-concluded",
	JournalEnded: "journal-ended", JournalMark: "journal-mark", JournalPruned: "journal-pruned",
	TargetObserve: "target-observe", TargetPlan: "target-plan", TargetMint: "target-mint", TargetDo: "target-do", TargetSettle: "target-settle",
	TargetUndo: "target-undo", TargetRevoke: "target-revoke", TargetProbe: "target-probe",
	LinkDeliver: "link-deliver", LinkAnswer: "link-answer",
	StoreCommit: "store-commit", StoreBlob: "store-blob", ControlPlan: "control-plan", ControlReserve: "control-reserve", ControlGrant: "control-grant",
	SignerHead: "signer-head",
}

// String returns the word of an operation.
func (o Op) String() string {
	if o >= ops {
		return "?"
	}
	return names[o]
}

// Ops are all operations.
func Ops() []Op {
	out := make([]Op, ops)
	for i := range out {
		out[i] = Op(i)
	}
	return out
}

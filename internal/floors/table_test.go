package floors_test

// assembly is the top floor: programs, and what only tests and demonstrations use. Its packages import one another as
// they like, because nothing below can reach them.
const assembly = 6

// floor says where each package stands. Short names: "." is the root package, "internal/" is left out. A package that
// is named here need not exist yet; one that exists must be named.
var floor = map[string]int{
	// F0 imports nothing of ours but what sameFloor lists.
	"canon": 0, "durable": 0, "fault": 0, "redact": 0, "ident": 0, "token": 0, "pin": 0, "policy/cedarx": 0, "jsonrpc": 0, "eventstream": 0, "crowd": 0,
	"policies": 0, "playbooks": 0, // embedded files
	// F1 are the nouns.
	".": 1,
	// F2 is pure logic.
	"playbook": 2, "plan": 2, "policy": 2, "policy/study": 2, "policy/seal": 2, "approval": 2, "grant": 2, "ledger": 2, "connector": 2, "assignment": 2,
	"trust": 2, "evidence": 2, "notice": 2, "catalogue": 2, "calendar": 2, "lineage": 2, "receipt": 2, "quorum": 2, "enrol": 2, "friction": 2, "playbook/strictyaml": 2, "event": 2,
	// F3 are adapters.
	"store": 3, "store/storetest": 3, "connector/kubernetes": 3, "connector/httpapi": 3, "connector/prometheus": 3, "connector/postgres": 3, "connector/noop": 3,
	"connector/connectortest": 3, "approval/approvaltest": 3, "policy/policytest": 3, "authn": 3, "signer": 3, "verify": 3, "runner/journal": 3, "config": 3, "notify": 3, "passkey": 3, "veto": 3, "rota": 3, "gateway": 3, "gateway/gatewaytest": 3,
	// F4 are the use cases.
	"runner": 4, "control": 4,
	// F5 are the doors.
	"api": 5, "api/apitest": 5, "authzen": 5, "bridge": 5, "mcp": 5, "client": 5, "oauth": 5, "web": 5,
	// F6 puts it all together.
	"server": assembly, "server/servertest": assembly, "setup": assembly, "rotate": assembly, "storefront": assembly, "demo": assembly, "bench": assembly, "siege": assembly, "testbed": assembly, "testbed/trustdomain": assembly, "testbed/idp": assembly, "testbed/softkey": assembly, "guards": assembly,
	"floors": assembly, "cmd/writ": assembly, "e2e": assembly, "e2e/install": assembly, "e2e/crash": assembly,
}

type edge struct{ from, to string }

// sameFloor are the imports between packages of one floor, each with its reason. They form no circle: the compiler
// sees to that.
var sameFloor = map[edge]string{
	{"token", "canon"}:                   "claims are parsed in canonical form",
	{"token", "ident"}:                   "claims carry random identifiers",
	{"token", "pin"}:                     "keys are named by their pin",
	{"plan", "playbook"}:                 "a plan is a playbook resolved",
	{"plan", "connector"}:                "a plan is made of a connector's steps",
	{"playbook", "connector"}:            "a playbook is linted against the catalogue of operations",
	{"playbook", "playbook/strictyaml"}:  "what people write is decoded strictly",
	{"policy", "playbook/strictyaml"}:    "what people write is decoded strictly",
	{"policy/seal", "policy"}:            "it names the files of a set",
	{"policy/study", "policy"}:           "it asks sets of policies",
	{"policy/study", "ledger"}:           "recorded decisions are decided again",
	{"friction", "ledger"}:               "what is counted are ledger entries",
	{"catalogue", "playbook/strictyaml"}: "what people write is decoded strictly",
	{"assignment", "ledger"}:             "work for a runner carries inclusion proofs",
	{"receipt", "ledger"}:                "a receipt is an envelope of the ledger's kind",
	{"trust", "quorum"}:                  "a cell's owners sign its trust file",
	{"policy/seal", "quorum"}:            "a set's owners sign it",
	{"trust", "approval"}:                "a runner judges approvals against its own roster",
	{"trust", "plan"}:                    "a runner compares plans with its own ceiling",
	{"trust", "grant"}:                   "a runner checks grants against its own keys",
	{"trust", "ledger"}:                  "a runner checks receipts against its own keys",
	{"api/apitest", "api"}:               "tests of the doors and of the client ask its control plane by the real API",
	{"store/storetest", "store"}:         "the suite of its interface",
	{"store/storetest", "signer"}:        "the suite signs checkpoints as a deployment does",
}

// A ban forbids imports that the floors alone would allow.
type ban struct {
	who        []string
	what       []string
	except     []string // of who
	transitive bool     // through other packages of ours, too
	because    string
}

var (
	planes = []string{"connector/*"}
	doors  = []string{"api", "authzen", "bridge", "mcp", "client", "oauth", "web"}
)

var bans = []ban{
	{
		who: []string{"control", "api", "authzen", "bridge", "mcp", "client", "oauth", "web"}, what: planes, transitive: true,
		because: "the control plane holds no power over targets",
	},
	{
		who: []string{"runner", "runner/journal", "connector/..."}, what: []string{"store/...", "policy/...", "control", "api", "mcp", "web"}, transitive: true,
		because: "the executor holds no database key and no verdict",
	},
	{
		who: []string{"mcp"}, what: []string{"approval", "store/..."}, transitive: true,
		because: "an agent cannot approve",
	},
	{
		who: doors, what: []string{"store/...", "control"},
		because: "doors declare the few methods they need, cmd/writ wires, and control owns the transaction",
	},
	{
		who: []string{"verify"}, what: []string{"durable", "pin", "ident", "policy/cedarx"},
		because: "an auditor's check imports the nouns and pure logic only",
	},
	{
		who: []string{"*"}, what: []string{"github.com/go-jose/go-jose/v4/jwt"}, except: []string{"token"},
		because: "token is the one place to audit for JWTs",
	},
	{
		who: []string{"*"}, what: []string{"github.com/go-webauthn/..."}, except: []string{"passkey"},
		because: "passkey is the one place to audit for enrolments; runners and auditors verify assertions without it",
	},
	{
		who: []string{"runner", "verify"}, what: []string{"passkey"}, transitive: true,
		because: "an enrolment is the server's to make and its owners' to believe",
	},
	{
		who: []string{"*"}, what: []string{"github.com/cedar-policy/cedar-go/x/exp/..."}, except: []string{"policy/cedarx"},
		because: "policy/cedarx is the one place to audit for what Cedar calls experimental",
	},
}

// pure are the packages without I/O, clock or randomness of their own: those of floors 1 and 2, and these of floor 0.
var pure = []string{"canon", "redact", "policy/cedarx", "jsonrpc"}

// standard are the packages of the standard library that pure logic may not import itself. What it imports may.
var standard = []string{"net", "net/http", "os", "os/exec", "database/sql", "math/rand", "math/rand/v2"}

// clock are the functions of package time that read the clock.
var clock = []string{"Now", "Since", "Until"}

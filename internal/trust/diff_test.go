package trust_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/trust"
)

func TestADiffSaysWhichWayEachDifferenceGoes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*trust.Trust)
		raises bool
		say    string
	}{
		"more objects":       {func(t *trust.Trust) { t.Ceiling.MaxObjects++ }, true, "max_objects"},
		"fewer objects":      {func(t *trust.Trust) { t.Ceiling.MaxObjects-- }, false, "max_objects"},
		"a larger share":     {func(t *trust.Trust) { t.Ceiling.MaxPermille++ }, true, "max_permille"},
		"a lower rate":       {func(t *trust.Trust) { t.Ceiling.RunsPerHour-- }, false, "runs_per_hour"},
		"more approvals":     {func(t *trust.Trust) { t.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 2, Proof: writ.ProofD} }, false, "asks for 2 approvals"},
		"a stronger proof":   {func(t *trust.Trust) { t.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 1, Proof: writ.ProofA} }, false, "level A"},
		"handles go further": {func(t *trust.Trust) { t.Ceiling.HandleMaxTier = writ.T2 }, true, "handle_max_tier"},
		"an operation more":  {func(t *trust.Trust) { t.Ceiling.Operations = append(t.Ceiling.Operations, "kubernetes/x.y") }, true, "kubernetes/x.y"},
		"a target less":      {func(t *trust.Trust) { t.Ceiling.Targets = nil }, false, "target"},
		"an approver less":   {func(t *trust.Trust) { t.Approvers = t.Approvers[1:] }, false, "approver"},
		"a playbook more":    {func(t *trust.Trust) { t.Playbooks = append(t.Playbooks, writ.PlaybookRef{Name: "x", Version: 1}) }, true, "x@1"},
		"a key more":         {func(t *trust.Trust) { t.GrantKeys = append(t.GrantKeys, trust.GrantKey{Kid: "k"}) }, true, "grant key k"},
		"a longer life":      {func(t *trust.Trust) { t.Expires = t.Expires.Add(time.Hour) }, true, "ends at"},
	} {
		is := vectorTrust(t)
		c.change(&is)
		d := trust.Diff(vectorTrust(t), is)
		if len(d) != 1 || d[0].Raises != c.raises || !strings.Contains(d[0].What, c.say) {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := trust.Diff(vectorTrust(t), vectorTrust(t)); len(d) != 0 {
		t.Errorf("of one and the same: %+v", d)
	}
}

func TestOfSeveralDifferencesTheRaisesComeFirst(t *testing.T) {
	is := vectorTrust(t)
	is.Ceiling.MaxObjects--
	is.Ceiling.RunsPerHour++
	is.Ceiling.Hours = []trust.Hours{{Days: []string{"mon"}, From: "08:00", To: "18:00"}}
	d := trust.Diff(vectorTrust(t), is)
	if len(d) != 4 || !d[0].Raises || !d[1].Raises || d[2].Raises || d[3].Raises {
		t.Errorf("%+v", d)
	}
}

func TestI12RunsBeginInTheCeilingsHours(t *testing.T) {
	c := trust.Ceiling{Hours: []trust.Hours{{Days: []string{"mon", "tue"}, From: "08:00", To: "18:30"}, {Days: []string{"sat"}, From: "22:00", To: "24:00"}}}
	for at, allowed := range map[string]bool{
		"2026-11-30T08:00:00Z":      true, // a Monday
		"2026-11-30T18:29:59Z":      true,
		"2026-11-30T18:30:00Z":      false,
		"2026-11-30T07:59:59Z":      false,
		"2026-11-30T18:00:00-02:00": false, // 20:00 in UTC
		"2026-12-02T10:00:00Z":      false, // a Wednesday
		"2026-11-28T23:59:59Z":      true,  // a Saturday
		"2026-11-29T00:00:00Z":      false,
	} {
		now, err := time.Parse(time.RFC3339, at)
		must(t, err)
		var want writ.Reason
		if !allowed {
			want = writ.ReasonOverCeiling
		}
		if got := writ.ReasonOf(c.AllowsTime(now)); got != want {
			t.Errorf("%s: got %q, want %q", at, got, want)
		}
	}
	must(t, trust.Ceiling{}.AllowsTime(time.Now()))
}

func TestHoursThatSayNothingAreRefused(t *testing.T) {
	for name, h := range map[string]trust.Hours{
		"no day":        {From: "08:00", To: "18:00"},
		"another day":   {Days: []string{"monday"}, From: "08:00", To: "18:00"},
		"a day twice":   {Days: []string{"mon", "mon"}, From: "08:00", To: "18:00"},
		"backwards":     {Days: []string{"mon"}, From: "18:00", To: "08:00"},
		"empty":         {Days: []string{"mon"}, From: "08:00", To: "08:00"},
		"another form":  {Days: []string{"mon"}, From: "8:00", To: "18:00"},
		"no such time":  {Days: []string{"mon"}, From: "08:00", To: "24:01"},
		"nothing there": {},
	} {
		tr := vectorTrust(t)
		tr.Ceiling.Hours = []trust.Hours{h}
		if tr.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestProblemsSaysAllThatLoadWouldRefuse(t *testing.T) {
	tr := vectorTrust(t)
	old := tr
	old.Version, old.Expires, old.Runner = 1, madeAt, "spiffe://example.com/runner/other"
	_, got := trust.Problems(signedFile(t, old, "a stranger"), owners, 2, 7, runner, madeAt)
	var codes []string
	for _, r := range got {
		codes = append(codes, string(r.Code))
	}
	if want := "ceiling_invalid ceiling_invalid ceiling_rollback ceiling_expired"; strings.Join(codes, " ") != want {
		t.Errorf("got %v, want %s", codes, want)
	}
	if _, got := trust.Problems(signedFile(t, tr, "owner 1", "owner 2"), owners, 2, 7, runner, madeAt); len(got) != 0 {
		t.Errorf("of a good file: %+v", got)
	}
}

package connector_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

var declared = []connector.Parameter{
	{Name: "name", Type: connector.TypeName, Title: "n"},
	{Name: "replicas", Type: connector.TypeInteger, Title: "r", Min: 3, Max: 9},
	{Name: "mode", Type: connector.TypeEnum, Title: "m", Values: []string{"slow", "fast"}, Optional: true},
	{Name: "memory", Type: connector.TypeQuantity, Title: "q", Optional: true},
	{Name: "force", Type: connector.TypeBool, Title: "f", Optional: true},
}

func TestI07ParametersAreTypedAndBounded(t *testing.T) {
	good := writ.Parameters{"name": writ.String("checkout"), "replicas": writ.Int(3)}
	if err := connector.CheckParameters(declared, good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set  map[string]writ.Value
		code writ.Reason
	}{
		"unknown":             {map[string]writ.Value{"command": writ.String("rm -rf /")}, writ.ReasonUnknownParameter},
		"missing":             {map[string]writ.Value{"name": {}}, writ.ReasonParameterType},
		"wrong type":          {map[string]writ.Value{"replicas": writ.String("3")}, writ.ReasonParameterType},
		"below":               {map[string]writ.Value{"replicas": writ.Int(2)}, writ.ReasonParameterBound},
		"above":               {map[string]writ.Value{"replicas": writ.Int(10)}, writ.ReasonParameterBound},
		"shell text":          {map[string]writ.Value{"name": writ.String("a; rm -rf /")}, writ.ReasonParameterBound},
		"path":                {map[string]writ.Value{"name": writ.String("../secrets")}, writ.ReasonParameterBound},
		"outside the list":    {map[string]writ.Value{"mode": writ.String("faster")}, writ.ReasonParameterBound},
		"no quantity":         {map[string]writ.Value{"memory": writ.String("512MiB")}, writ.ReasonParameterBound},
		"quantity with sign":  {map[string]writ.Value{"memory": writ.String("-1Gi")}, writ.ReasonParameterBound},
		"truth value as text": {map[string]writ.Value{"force": writ.String("true")}, writ.ReasonParameterType},
	} {
		t.Run(name, func(t *testing.T) {
			with := writ.Parameters{"name": writ.String("checkout"), "replicas": writ.Int(3)}
			for k, v := range c.set {
				with[k] = v
			}
			if err := connector.CheckParameters(declared, with); writ.ReasonOf(err) != c.code {
				t.Errorf("want %s, got %v", c.code, err)
			}
		})
	}
	err := connector.CheckParameters(declared, writ.Parameters{"name": writ.String("checkout"), "replicas": writ.Int(0)})
	var r *writ.Refusal
	if !errors.As(err, &r) || !strings.Contains(r.Hint, "replicas=3") {
		t.Errorf("the hint does not name the nearest allowed value: %v", err)
	}
	if err := connector.CheckParameters(declared, writ.Parameters{"name": writ.String("checkout")}); writ.ReasonOf(err) != writ.ReasonMissingParameter {
		t.Errorf("a missing parameter: %v", err)
	}
}

func TestQuantitiesAreThoseOfKubernetes(t *testing.T) {
	p := connector.Parameter{Name: "memory", Type: connector.TypeQuantity}
	for s, ok := range map[string]bool{"1": true, "250m": true, "2k": true, "512Mi": true, "1Gi": true, "3T": true, "": false, "0": false, "2K": false, "1.5": false, "1e3": false, "Mi": false, "1mi": false, "1Mi ": false} {
		if err := p.Accept(writ.String(s)); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestI08AnOperationWithoutAnInverseCannotBeT1(t *testing.T) {
	c := connector.Catalogue{Plane: "x", Operations: []connector.Operation{{Name: "x/thing.drop", Title: "drop", Tier: writ.T1, Inverse: writ.InverseNone, Rights: []string{"drop"}}}}
	if err := c.Check(); err == nil {
		t.Error("a catalogue with a T1 operation that cannot be undone was taken")
	}
	c.Operations[0].Tier = writ.T2
	if err := c.Check(); err != nil {
		t.Errorf("declared to have no undo, at T2: %v", err)
	}
	c.Operations[0].Rights = nil
	if err := c.Check(); err == nil {
		t.Error("an operation that does not say what its lease may do was taken")
	}
}

func TestI03PreparedBytesMustBeThoseCommittedTo(t *testing.T) {
	p := connector.Seal(writ.Step{Key: "pln_1.1"}, [writ.SaltSize]byte{1}, []byte("body"), []byte("before"))
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*connector.Prepared){
		"body":       func(p *connector.Prepared) { p.Body = []byte("bodY") },
		"no body":    func(p *connector.Prepared) { p.Body = nil },
		"pre-image":  func(p *connector.Prepared) { p.Preimage = []byte("after") },
		"salt":       func(p *connector.Prepared) { p.Salt[0] = 2 },
		"commitment": func(p *connector.Prepared) { p.Step.Call.Body = writ.Commitment{} },
	} {
		q := p
		change(&q)
		if writ.ReasonOf(q.Check()) != writ.ReasonCallAltered {
			t.Errorf("another %s was taken", name)
		}
	}
}

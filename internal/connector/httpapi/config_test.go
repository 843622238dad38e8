package httpapi_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/storefront"
)

func options() httpapi.Options { return httpapi.Options{Now: time.Now, Rand: rand.Reader} }

// still is a configuration that nobody answers.
func still(t testing.TB) httpapi.Config {
	t.Helper()
	c, err := httpapi.ParseConfig(storefront.ConnectorYAML("http://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(func(name string) ([]byte, error) {
		if name == storefront.FileDocument {
			return storefront.Document(), nil
		}
		return []byte("secret"), nil
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheShopsCatalogueIsBounded(t *testing.T) {
	x, err := httpapi.New(still(t), options())
	if err != nil {
		t.Fatal(err)
	}
	if x.Target() != "httpapi://shop" {
		t.Error(x.Target())
	}
	c := x.Catalogue()
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	o, ok := c.Operation("httpapi/replicas.set")
	if !ok || o.Tier != writ.T2 || o.Inverse != writ.InverseCall || len(o.Parameters) != 2 {
		t.Fatalf("%+v", o)
	}
	for _, p := range o.Parameters {
		switch p.Name {
		case "service":
			if p.Type != connector.TypeName {
				t.Errorf("%+v", p)
			}
		case "replicas":
			if p.Type != connector.TypeInteger || p.Min != 2 || p.Max != 6 {
				t.Errorf("the bounds of the configuration within the document's: %+v", p)
			}
		}
	}
	if o, _ := c.Operation("httpapi/service.restart"); o.Inverse != writ.InverseNone || o.Tier < writ.T2 {
		t.Errorf("%+v", o)
	}
	if r, ok := c.Reader("httpapi/service.logs"); !ok || !r.Writable {
		t.Errorf("the request log is not marked as writable by clients: %+v", r)
	}
}

// Each sentence is what the owner of a target reads when something could not be bounded, typed or undone.
func TestALooseTargetIsRefusedWhenItIsLoaded(t *testing.T) {
	document := func(c *httpapi.Config, old, with string) {
		next := strings.Replace(string(c.Document), old, with, 1)
		if next == string(c.Document) {
			t.Fatalf("%q is not in the document", old)
		}
		c.Document = []byte(next)
	}
	for want, change := range map[string]func(c *httpapi.Config){
		"free text is not sent": func(c *httpapi.Config) { document(c, `"pattern": "^v[0-9]{1,4}$",`, "") },
		"needs a minimum and a maximum": func(c *httpapi.Config) {
			document(c, `"maximum": 8`, `"description": "any"`)
			c.Operations[1].Parameters = nil
		},
		"max 60 is above the document's 8":       func(c *httpapi.Config) { n := int64(60); c.Operations[1].Parameters[0].Max = &n },
		"leave no choice":                        func(c *httpapi.Config) { n := int64(6); c.Operations[1].Parameters[0].Min = &n },
		"there is no parameter \"count\"":        func(c *httpapi.Config) { c.Operations[1].Parameters[0].Name = "count" },
		"has no such operation":                  func(c *httpapi.Config) { c.Operations[0].OperationID = "dropDatabase" },
		"is a GET; an operation writes":          func(c *httpapi.Config) { c.Operations[0].OperationID = "getService" },
		"must be a GET that answers":             func(c *httpapi.Config) { c.Operations[0].Read = "setRelease" },
		"is not a GET without a body":            func(c *httpapi.Config) { c.Readers[0].OperationID = "restartService" },
		"has no inverse and so cannot be T1":     func(c *httpapi.Config) { c.Operations[0].Inverse = httpapi.InverseConfig{Kind: writ.InverseNone} },
		"kind must be call or none":              func(c *httpapi.Config) { c.Operations[0].Inverse.Kind = "replace" },
		"nothing restores /release":              func(c *httpapi.Config) { c.Operations[0].Inverse.From = map[string]string{"release": "/uid"} },
		"must write to the same object":          func(c *httpapi.Config) { c.Operations[0].Inverse.OperationID = "setFlag" },
		"needs its own scope and from":           func(c *httpapi.Config) { c.Operations[0].Inverse.OperationID = "setReplicas" },
		"must say where the state shows":         func(c *httpapi.Config) { c.Operations[0].Fields = nil },
		"must name the path parameter {service}": func(c *httpapi.Config) { c.Operations[0].Object = "services/all" },
		"a parameter is a whole segment":         func(c *httpapi.Config) { c.Operations[0].Object = "services/x{service}" },
		"{release} is not one of":                func(c *httpapi.Config) { c.Operations[0].Object = "services/{release}" },
		"scope must be one scope":                func(c *httpapi.Config) { c.Operations[0].Scope = "setRelease:{service} admin" },
		"is not a JSON pointer":                  func(c *httpapi.Config) { c.Operations[0].UID = "uid" },
		"title is missing":                       func(c *httpapi.Config) { c.Operations[0].Title = "" },
		"must demand If-Match": func(c *httpapi.Config) {
			c.Document = without(t, c.Document, "/services/{service}/restart", "If-Match")
		},
		"demands the header X-Reason": func(c *httpapi.Config) {
			document(c, `"name": "Idempotency-Key",`+"\n      \"in\": \"header\",\n      \"required\": false", `"name": "X-Reason",`+"\n      \"in\": \"header\",\n      \"required\": true")
		},
		"must be unique, of plane \"httpapi\"": func(c *httpapi.Config) { c.Operations[1].Name = c.Operations[0].Name },
		"has none for T3":                      func(c *httpapi.Config) { c.Operations[0].Tier = writ.T3 },
		"must be https":                        func(c *httpapi.Config) { c.BaseURL = "http://shop.example" },
		"must be a plain URL":                  func(c *httpapi.Config) { c.Token.Revocation = "https://user:pass@shop.example/x" },
		"token.grant must be":                  func(c *httpapi.Config) { c.Token.Grant = "password" },
		"token.subject_scope must be":          func(c *httpapi.Config) { c.Token.SubjectScope = "" },
		"token.reader needs":                   func(c *httpapi.Config) { c.Token.Reader.Secret = nil },
		"token.clients[0] needs":               func(c *httpapi.Config) { c.Token.Clients[0].Tier = writ.T0 },
		"ordered by tier":                      func(c *httpapi.Config) { c.Token.Clients[0].Tier = writ.T4 },
		"ca holds no PEM certificate":          func(c *httpapi.Config) { c.CA = []byte("x") },
		"timeout_seconds must be":              func(c *httpapi.Config) { c.Operations[0].TimeoutSeconds = 100000 },
		"target must be a plain name":          func(c *httpapi.Config) { c.Target = "a/b" },
		"fact release: type is integer, bool":  func(c *httpapi.Config) { c.Readers[0].Facts[0].Type = "text" },
		"OpenAPI document:":                    func(c *httpapi.Config) { c.Document = []byte(`{"openapi":"3.0.3"}`) },
		"must have exactly one type":           func(c *httpapi.Config) { document(c, `"type": "boolean",`, ``) },
		"value \"a/b\" is not a plain name":    func(c *httpapi.Config) { document(c, `"maxLength": 63`, `"enum": ["a/b"]`) },
		"it may be null":                       func(c *httpapi.Config) { document(c, `"type": "boolean",`, `"type": "boolean", "nullable": true,`) },
		"it is array: only whole numbers": func(c *httpapi.Config) {
			document(c, `"type": "boolean",`, `"type": "array", "items": {"type": "string"},`)
		},
		"its name must be a plain lower-case name": func(c *httpapi.Config) { c.Document = []byte(strings.ReplaceAll(string(c.Document), `"on"`, `"isOn"`)) },
	} {
		c := still(t)
		change(&c)
		_, err := httpapi.New(c, options())
		if !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
}

func TestAParameterOfTheDocumentCanBeRenamed(t *testing.T) {
	c := still(t)
	c.Document = []byte(strings.ReplaceAll(string(c.Document), `"on"`, `"isOn"`))
	c.Operations[2].Parameters = []httpapi.ParameterConfig{{Name: "on", Document: "isOn"}}
	x, err := httpapi.New(c, options())
	if err != nil {
		t.Fatal(err)
	}
	o, _ := x.Catalogue().Operation("httpapi/flag.set")
	if err := connector.CheckParameters(o.Parameters, writ.Parameters{"service": writ.String("a"), "flag": writ.String("b"), "on": writ.Bool(true)}); err != nil {
		t.Error(err)
	}
}

func TestAConfigurationIsReadStrictly(t *testing.T) {
	good := string(storefront.ConnectorYAML("https://shop.example"))
	for what, bad := range map[string]string{
		"an unknown member": good + "\nverbose: true\n",
		"a member twice":    good + "\ntarget: other\n",
		"an unknown tier":   strings.Replace(good, "tier: T1", "tier: T9", 1),
		"a bad name":        strings.Replace(good, "httpapi/release.set", "release set", 1),
		"not YAML":          "\t{",
		"nothing":           "",
		"too much":          strings.Repeat("#", httpapi.MaxConfig+1),
	} {
		if _, err := httpapi.ParseConfig([]byte(bad)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(storefront.ConnectorYAML("http://127.0.0.1:1"))
	f.Add([]byte("target: x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := httpapi.ParseConfig(b)
		if err != nil {
			return
		}
		for _, o := range c.Operations {
			if _, err := writ.ParseOperationName(string(o.Name)); o.Name != "" && err != nil {
				t.Fatalf("took the name %q", o.Name)
			}
		}
	})
}

// Whatever the document says, a catalogue that comes out of it is bounded.
func FuzzDocument(f *testing.F) {
	f.Add(storefront.Document())
	f.Add([]byte(`{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{}}`))
	base := still(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := base
		c.Document = b
		x, err := httpapi.New(c, options())
		if err != nil {
			return
		}
		if err := x.Catalogue().Check(); err != nil {
			t.Fatal(err)
		}
	})
}

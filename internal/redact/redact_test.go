package redact_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ/internal/redact"
)

const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLWJ5dGVz"

func TestI20TextLosesItsSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		in, want string
		n        int
	}{
		"assignment":            {"password=hunter2 next", "password=[redacted] next", 1},
		"yaml":                  {"db_password: hunter2\nport: 5432", "db_password: [redacted]\nport: 5432", 1},
		"json":                  {`{"api_key":"abc123","port":1}`, `{"api_key":"[redacted]","port":1}`, 1},
		"json with spaces":      {`{"clientSecret" : "a b c"}`, `{"clientSecret" : "[redacted]"}`, 1},
		"json in json":          {`msg="{\"password\":\"hunter2\",\"user\":\"x\"}"`, `msg="{\"password\":\"[redacted]\",\"user\":\"x\"}"`, 1},
		"inside a message":      {`level=info msg="login password=hunter2 ok"`, `level=info msg="login password=[redacted] ok"`, 1},
		"escaped quote":         {`{"password":"a\"b"}`, `{"password":"[redacted]"}`, 1},
		"bearer":                {"sent Bearer abcdefgh12345 to x", "sent Bearer [redacted] to x", 1},
		"authorization header":  {"Authorization: Basic dXNlcjpwYXNz\r\nHost: x", "Authorization: [redacted]\r\nHost: x", 1},
		"basic":                 {"curl used basic dXNlcjpwYXNz", "curl used basic [redacted]", 1},
		"cookie":                {"Cookie: sid=abc; theme=dark", "Cookie: [redacted]", 1},
		"jwt":                   {"got " + jwt + ".", "got [redacted]", 1},
		"private key":           {"-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----\nrest", "[redacted]\nrest", 1},
		"cut private key":       {"x -----BEGIN PRIVATE KEY-----\nMIIabc", "x [redacted]", 1},
		"rest of a private key": {"QUJDREVGR0hJSktMTU5PUA==\n-----END PRIVATE KEY-----\nrest", "[redacted]\nrest", 1},
		"rest of one in a log":  {"2026-11-29T02:04:05.123456789Z QUJDREVGR0hJSktMTU5PUA==\n2026-11-29T02:04:05.123456789Z QUJDREVGR0hJSktMTU5PUA==\n2026-11-29T02:04:05Z -----END PRIVATE KEY-----\nrest", "[redacted]\nrest", 1},
		"rest of one, escaped":  {`"QUJDREVGR0hJSktMTU5PUA==\nQUJDREVGR0hJSktMTU5PUA==\n-----END PRIVATE KEY-----\n"`, `"[redacted]\n"`, 1},
		"one in a log":          {"2026-11-29T02:04:05Z -----BEGIN PRIVATE KEY-----\n2026-11-29T02:04:05Z QUJDREVGR0hJSktMTU5PUA==\n2026-11-29T02:04:05Z -----END PRIVATE KEY-----\nrest", "2026-11-29T02:04:05Z [redacted]\nrest", 1},
		"environment as text":   {`[{"name":"DB_PASSWORD","value":"hunter2"},{"name":"A","value":"b"}]`, `[{"name":"DB_PASSWORD","value":"[redacted]"},{"name":"A","value":"b"}]`, 1},
		"environment in a text": {`{\"name\":\"TOKEN\",\"value\":\"hunter2\"}`, `{\"name\":\"TOKEN\",\"value\":\"[redacted]\"}`, 1},
		"aws id":                {"key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used", 1},
		"aws secret":            {"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SECRET_ACCESS_KEY=[redacted]", 1},
		"connection string":     {"postgres://app:hunter2@db:5432/x", "postgres://app:[redacted]@db:5432/x", 1},
		"odd password in a url": {"postgres://app:p@ss/w@db/x", "postgres://app:[redacted]@db/x", 1},
		"no user":               {"redis://:hunter2@cache:6379", "redis://:[redacted]@cache:6379", 1},
		"keyword dsn":           {"host=db user=app password=hunter2 sslmode=off", "host=db user=app password=[redacted] sslmode=off", 1},
		"ado dsn":               {"Server=db;Pwd=hunter2;Database=x", "Server=db;Pwd=[redacted];Database=x", 1},
		"query":                 {"GET /x?access_token=abc&page=2", "GET /x?access_token=[redacted]&page=2", 1},
		"flag":                  {"run --password hunter2 --port 80", "run --password [redacted] --port 80", 1},
		"sql":                   {"ALTER ROLE app PASSWORD 'hunter2'", "ALTER ROLE app PASSWORD '[redacted]'", 1},
		"github":                {"ghp_0123456789abcdefghijABCDEFGHIJ012345", "[redacted]", 1},
		"two":                   {"token=a1 secret=b2", "token=[redacted] secret=[redacted]", 2},
		"numbered":              {"PASSWORD_2=hunter2", "PASSWORD_2=[redacted]", 1},
		"prose":                 {"basic authentication failed, token expired", "basic authentication failed, token expired", 0},
		"reference":             {"secretName: db-credentials tokenTTL: 3600 password_file=/run/x", "secretName: db-credentials tokenTTL: 3600 password_file=/run/x", 0},
		"switch":                {"automountServiceAccountToken: false", "automountServiceAccountToken: false", 0},
		"counts":                {"max_tokens=4096", "max_tokens=4096", 0},
		"a url with a port":     {"http://api:8080/x mail a@b", "http://api:8080/x mail a@b", 0},
		"e-mail":                {`user "ann.lee+x@mail.example.com" logged in`, `user "[redacted]" logged in`, 1},
		"card":                  {"paid with 4111 1111 1111 1111 ok", "paid with [redacted] ok", 1},
		"no card":               {"order 4111111111111112 at 1764356400123456789", "order 4111111111111112 at 1764356400123456789", 0},
		"a digest":              {"app@sha256:0123456789abcdef", "app@sha256:0123456789abcdef", 0},
		"done before":           {"password=[redacted] Bearer [redacted] postgres://a:[redacted]@b", "password=[redacted] Bearer [redacted] postgres://a:[redacted]@b", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, n := redact.Text(c.in)
			if got != c.want || n != c.n {
				t.Errorf("Text(%q)\n got %q, %d\nwant %q, %d", c.in, got, n, c.want, c.n)
			}
			again, n := redact.Text(got)
			if again != got || n != 0 {
				t.Errorf("a second time: %q, %d", again, n)
			}
		})
	}
}

func TestI20ValueLosesItsSecrets(t *testing.T) {
	var v any
	if err := json.Unmarshal([]byte(`{
		"spec": {"containers": [{"env": [
			{"name": "DB_PASSWORD", "value": "hunter2"},
			{"name": "LOG_LEVEL", "value": "debug"},
			{"name": "DSN", "value": "mysql://a:hunter2@db/x"},
			{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}],
			"args": ["--api-key=hunter2", "--port=80"]}],
			"serviceAccountToken": {"path": "token"}, "pin_password": 1234, "automountToken": true}}`), &v); err != nil {
		t.Fatal(err)
	}
	got, n := redact.Value(v)
	b, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if n != 4 || strings.Contains(string(b), "hunter2") || strings.Contains(string(b), "1234") {
		t.Errorf("removed %d of 4:\n%s", n, b)
	}
	for _, keep := range []string{"debug", "--port=80", `"key": "token"`, `"path": "token"`, `"automountToken": true`} {
		if !strings.Contains(string(b), keep) {
			t.Errorf("lost %s:\n%s", keep, b)
		}
	}
	if again, n := redact.Value(got); n != 0 || !cmp.Equal(got, again) {
		t.Errorf("a second time removed %d: %s", n, cmp.Diff(got, again))
	}
}

func FuzzText(f *testing.F) {
	f.Add("password=", "hunter2", " and more")
	f.Add(`{"token":"`, "abc", `"}`)
	f.Add("-----BEGIN PRIVATE KEY-----\n", "x", "")
	f.Fuzz(func(t *testing.T, before, middle, after string) {
		got, n := redact.Text(before + middle + after)
		if utf8.ValidString(before+middle+after) && !utf8.ValidString(got) {
			t.Errorf("broke the encoding: %q", got)
		}
		if n == 0 && got != before+middle+after {
			t.Error("changed the text without counting it")
		}
		// A password that stands on its own line under its name never survives, whatever stands around it.
		const planted = "Tr0ub4dor"
		out, _ := redact.Text(before + "\npassword=" + planted + "\n" + after)
		if strings.Contains(out, planted) && !strings.Contains(before+after, planted) {
			t.Errorf("kept the password in %q", out)
		}
	})
}

package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/redact"
)

const keyOf64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"

// A key that somebody logged line by line stands in as many rows; each of them looks like nothing.
func TestI20APrivateKeyInSeveralStringsLosesEachLine(t *testing.T) {
	for name, text := range map[string]string{
		"rows":                    `[{"at":"1","msg":"-----BEGIN PRIVATE KEY-----"},{"at":"2","msg":"KEY"},{"at":"3","msg":"KEY"},{"at":"4","msg":"-----END PRIVATE KEY-----"}]`,
		"rows, newest first":      `[{"msg":"-----END RSA PRIVATE KEY-----"},{"msg":"KEY"},{"msg":"-----BEGIN RSA PRIVATE KEY-----"}]`,
		"its end is not there":    `["-----BEGIN EC PRIVATE KEY-----","KEY","KEY"]`,
		"its beginning is not":    `{"log":["KEY","KEY","-----END PRIVATE KEY-----","done"]}`,
		"with times before":       `["2026-11-29T02:04:05Z -----BEGIN PRIVATE KEY-----","2026-11-29T02:04:05Z KEY"]`,
		"with other rows between": `["-----BEGIN PRIVATE KEY-----","GET /","KEY","GET /"]`,
	} {
		var v any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "KEY\"", keyOf64+"\"")), &v); err != nil {
			t.Fatal(err)
		}
		got, n := redact.Value(v)
		b, err := json.Marshal(got)
		if err != nil || strings.Contains(string(b), keyOf64[:16]) || n == 0 {
			t.Errorf("%s: %d removed, %s %v", name, n, b, err)
		}
		if _, n := redact.Value(got); n != 0 {
			t.Errorf("%s: %d more a second time", name, n)
		}
	}
	if got, n := redact.Value([]any{keyOf64, "sha256"}); n != 0 {
		t.Errorf("a text of that form without a key: %v", got)
	}
}

// Where a text was cut, the half of a token is no token to Text.
func TestI20WhatWasCutEndsBeforeTheWordItWasCutIn(t *testing.T) {
	for in, want := range map[string]string{
		"key AKIAIOSFODNN7EX":       "key ",
		"sent ghp_0123456789abc":    "sent ",
		"got eyJhbGciOiJSUzI1NiJ9":  "got ",
		"paid by ann.lee@mail.exam": "paid by ann.lee@",
		`{"msg":"x AIzaSyA-1234`:    `{"msg":"x `,
		"a sentence.\n":             "a sentence.\n",
		"äää":                       "äää",
		"":                          "",
	} {
		if got := redact.Unfinished(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzValue(f *testing.F) {
	f.Add(`["-----BEGIN PRIVATE KEY-----","x",{"name":"token","value":"y"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		got, _ := redact.Value([]any{v, "-----BEGIN PRIVATE KEY-----", keyOf64})
		b, err := json.Marshal(got)
		if err != nil || strings.Contains(string(b), keyOf64) && !strings.Contains(text, keyOf64) && strings.Count(text, "PRIVATE KEY") == 0 {
			t.Errorf("%s %v", b, err)
		}
	})
}

package canon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
)

// The functions below are the meaning of this package, spelt out with encoding/json's tokenizer and the jcs module, one
// pass for each rule: slow, and simple to agree with. What ships must accept, refuse and write the same.
func plainMarshal(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	if err := plainCheck(raw); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrForm, err)
	}
	return out, nil
}

func plainParse(b []byte, v any) error {
	if err := plainDecode(b, v); err != nil {
		return err
	}
	again, err := plainMarshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("%w: the bytes do not survive a round trip", ErrForm)
	}
	return nil
}

func plainParseLoose(b []byte, v any) error {
	if err := plainDecode(b, v); err != nil {
		return err
	}
	again, err := plainMarshal(v)
	if err != nil {
		return err
	}
	want, err := jcs.Transform(b)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	if !bytes.Equal(again, want) {
		return fmt.Errorf("%w: a member is unknown, null, repeated or misspelt", ErrForm)
	}
	return nil
}

func plainDecode(b []byte, v any) error {
	if err := plainCheck(b); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	return nil
}

func plainCheck(b []byte) error {
	if !utf8.Valid(b) {
		return fmt.Errorf("%w: invalid UTF-8", ErrForm)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := plainValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows the value", ErrForm)
	}
	return nil
}

func plainValue(d *json.Decoder, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrForm, MaxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	switch t := t.(type) {
	case nil:
		return fmt.Errorf("%w: null", ErrForm)
	case json.Number:
		return plainNumber(t.String())
	case string:
		if strings.ContainsRune(t, utf8.RuneError) {
			return fmt.Errorf("%w: a replacement character or lone surrogate", ErrForm)
		}
	case json.Delim:
		if t == '{' {
			return plainObject(d, depth)
		}
		for d.More() {
			if err := plainValue(d, depth+1); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil { // the closing bracket
			return fmt.Errorf("%w: %v", ErrForm, err)
		}
	}
	return nil
}

func plainObject(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: %v", ErrForm, err)
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("%w: a member name is not a string", ErrForm)
		}
		if seen[name] {
			return fmt.Errorf("%w: member %q twice", ErrForm, name)
		}
		seen[name] = true
		if err := plainValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return fmt.Errorf("%w: %v", ErrForm, err)
	}
	return nil
}

func plainNumber(s string) error {
	digits := strings.TrimPrefix(s, "-")
	if digits == "0" && s != "0" {
		return fmt.Errorf("%w: number %s", ErrForm, s)
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' || n > MaxInt {
			return fmt.Errorf("%w: number %.40s is not a plain integer within 2^53-1", ErrForm, s)
		}
		n = n*10 + int64(c-'0')
	}
	if n > MaxInt {
		return fmt.Errorf("%w: number %.40s is not a plain integer within 2^53-1", ErrForm, s)
	}
	return nil
}

// Package strictyaml decodes the YAML that people write for Writ: one document of a closed type. It refuses what makes
// two readers see two documents, or a small document become a large one: unknown and repeated keys, anchors, aliases,
// merge keys, tags, a second document, deep nesting, and characters that a reader cannot see.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/writ-dev/writ"
)

// MaxBytes bounds one document: 256 KiB hold a thousand cases of a policy test.
const MaxBytes = 256 << 10

// MaxDepth bounds nesting: the parser recurses, and no format of Writ is deeper than eight.
const MaxDepth = 32

// Unmarshal decodes b into v, a pointer to a closed type. Errors wrap writ.ErrInvalid and name the line where the
// parser does.
func Unmarshal(b []byte, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: YAML: the parser failed", writ.ErrInvalid)
		}
	}()
	if err := check(b); err != nil {
		return fmt.Errorf("%w: YAML: %w", writ.ErrInvalid, err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: YAML: the document is empty", writ.ErrInvalid)
		}
		return fmt.Errorf("%w: YAML: %s", writ.ErrInvalid, writ.Printable(firstLine(err), 300))
	}
	var more any
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: YAML: something follows the document", writ.ErrInvalid)
	}
	return nil
}

func firstLine(err error) string { s, _, _ := strings.Cut(err.Error(), "\n"); return s }

func check(b []byte) error {
	if len(b) > MaxBytes {
		return fmt.Errorf("larger than %d bytes", MaxBytes)
	}
	if err := CheckText(b); err != nil {
		return err
	}
	flow, row, line := 0, 0, 0
	for _, t := range lexer.Tokenize(string(b)) {
		if t.Position.Line != line {
			line, row = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType:
			return fmt.Errorf("line %d: anchors, aliases, merge keys, tags and directives are not taken", line)
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			row++
		}
		if flow > MaxDepth || flow == 0 && row > MaxDepth || t.Position.Column > maxColumn {
			return fmt.Errorf("line %d: nested deeper than %d, or longer than %d characters", line, MaxDepth, maxColumn)
		}
	}
	return nil
}

// maxColumn bounds where a token may begin, and with it the indentation.
const maxColumn = 1000

// CheckText refuses bytes that are not UTF-8, and characters that a reader would not see or would see change the text
// around them. Line feeds and tabs are taken.
func CheckText(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	for n, line := range bytes.Split(b, []byte("\n")) {
		s := strings.ReplaceAll(string(line), "\t", " ")
		if writ.Printable(s, len(s)) != s {
			return fmt.Errorf("line %d holds a control, bidirectional or invisible character", n+1)
		}
	}
	return nil
}

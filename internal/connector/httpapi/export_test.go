package httpapi

import "github.com/writ-dev/writ"

// FindPointer parses a JSON pointer and looks it up in a JSON text.
func FindPointer(pointer, text string) (v any, found bool, err error) {
	p, err := parsePointer(pointer)
	if err != nil {
		return nil, false, err
	}
	doc, err := decode([]byte(text))
	if err != nil {
		return nil, false, err
	}
	v, found = p.find(doc)
	return v, found, nil
}

// ExpandTemplate parses a template over the one parameter x and puts a value in.
func ExpandTemplate(s, x string) (string, error) {
	t, err := parseTemplate(s, []string{"x"})
	if err != nil {
		return "", err
	}
	return t.expand(writ.Parameters{"x": writ.String(x)}, same), nil
}

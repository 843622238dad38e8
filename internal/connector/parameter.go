package connector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// CheckParameters checks with against the declared parameters. The refusal names the parameter and what is allowed.
func CheckParameters(declared []Parameter, with writ.Parameters) error {
	for _, name := range slices.Sorted(maps.Keys(with)) {
		if !slices.ContainsFunc(declared, func(p Parameter) bool { return p.Name == name }) {
			return &writ.Refusal{
				Code:   writ.ReasonUnknownParameter,
				Detail: fmt.Sprintf("there is no parameter %q", writ.Printable(name, 40)),
				Hint:   "allowed: " + strings.Join(names(declared), ", "),
			}
		}
	}
	for _, p := range declared {
		v, ok := with[p.Name]
		if !ok {
			if p.Optional {
				continue
			}
			return &writ.Refusal{
				Code: writ.ReasonMissingParameter, Detail: fmt.Sprintf("parameter %q is missing: %s", p.Name, p.Allowed()), Hint: "give " + takes(declared),
			}
		}
		if err := p.Accept(v); err != nil {
			return err
		}
	}
	return nil
}

// takes names the parameters that must be given, and those that may.
func takes(ps []Parameter) string {
	var must, may []string
	for _, p := range ps {
		if p.Optional {
			may = append(may, p.Name)
		} else {
			must = append(must, p.Name)
		}
	}
	if len(may) == 0 {
		return strings.Join(must, ", ")
	}
	return strings.Join(must, ", ") + "; if needed, " + strings.Join(may, ", ")
}

func names(ps []Parameter) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return out
}

// Accept checks one value.
func (p Parameter) Accept(v writ.Value) error {
	refuse := func(code writ.Reason, hint string) error {
		return &writ.Refusal{Code: code, Detail: fmt.Sprintf("%s must be %s", p.Name, p.Allowed()), Hint: hint}
	}
	switch p.Type {
	case TypeInteger:
		i, ok := v.Int64()
		switch {
		case !ok:
			return refuse(writ.ReasonParameterType, "")
		case i < p.Min:
			return refuse(writ.ReasonParameterBound, fmt.Sprintf("the smallest allowed value is %s=%d", p.Name, p.Min))
		case i > p.Max:
			return refuse(writ.ReasonParameterBound, fmt.Sprintf("the largest allowed value is %s=%d", p.Name, p.Max))
		}
		return nil
	case TypeBool:
		if _, ok := v.IsTrue(); !ok {
			return refuse(writ.ReasonParameterType, "")
		}
		return nil
	}
	s, ok := v.Str()
	if !ok {
		return refuse(writ.ReasonParameterType, "")
	}
	switch p.Type {
	case TypeName:
		ok = writ.IsName(s)
	case TypeEnum:
		ok = slices.Contains(p.Values, s)
	case TypeQuantity:
		ok = isQuantity(s)
	default:
		ok = false
	}
	if !ok {
		return refuse(writ.ReasonParameterBound, "")
	}
	return nil
}

// Allowed says in words what the parameter takes.
func (p Parameter) Allowed() string {
	switch p.Type {
	case TypeInteger:
		return fmt.Sprintf("a whole number from %d to %d", p.Min, p.Max)
	case TypeBool:
		return "true or false"
	case TypeEnum:
		return "one of " + strings.Join(p.Values, ", ")
	case TypeQuantity:
		return "a quantity such as 250m, 2, 512Mi or 1Gi"
	}
	return "a plain lower-case name of letters, digits, '-', '_' and '.'"
}

// isQuantity takes the plain quantities that people write: digits and one suffix.
func isQuantity(s string) bool {
	digits := strings.TrimRight(s, "mkKMGTi")
	suffix := s[len(digits):]
	if digits == "" || len(digits) > 9 || strings.Trim(digits, "0123456789") != "" || strings.HasPrefix(digits, "0") {
		return false
	}
	return slices.Contains([]string{"", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"}, suffix)
}

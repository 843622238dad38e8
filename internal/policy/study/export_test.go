package study

import "github.com/writ-dev/writ/internal/canon"

// What a replay reads of a body, for the test that it knows each member.
func OpenPlan(body []byte) error { return new(opener).plan(split(body), new(planned)) }
func OpenDecision(body []byte) error {
	_, err := new(opener).decision(split(body), new(Record))
	return err
}

func split(body []byte) canon.Value {
	var t canon.Text
	if !t.Split(body) {
		panic("not canonical: " + string(body))
	}
	return t.Root()
}

package study

// What a replay reads of a body, for the test that it knows each member.
func OpenPlan(body []byte) error     { return new(opener).plan(body, new(planned)) }
func OpenDecision(body []byte) error { _, err := new(opener).decision(body, new(Record)); return err }

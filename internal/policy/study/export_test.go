package study

// What a replay reads of a body, for the test that it knows each member.
func OpenPlan(body []byte) error     { _, err := openPlan(body); return err }
func OpenDecision(body []byte) error { _, err := openDecision(body); return err }

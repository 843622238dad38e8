package rota

import "github.com/writ-dev/writ"

// ParsePage reads one page of an on-call tool's answer.
func (s *PagerDuty) ParsePage(b []byte) ([]writ.RotaTurn, bool, error) { return s.parse(b) }

package main

// notices are the guards of what people are told.
var notices = []Guard{
	{
		Invariant: "I19",
		File:      "internal/control/channel.go",
		Guard:     "if err != nil || len(doc.At) < notice.PerHour {",
		Instead:   "if err != nil || len(doc.At) < 1000*notice.PerHour {",
		Package:   "./internal/control",
		Test:      "TestI19AStormIsABoundedNumberOfNotices",
	},
	{
		Invariant: "I19",
		File:      "internal/control/tell.go",
		Guard:     "if writ.NoticeState(rows[0].State) == writ.NoticeQueued && last[0].fresh() {",
		Package:   "./internal/control",
		Test:      "TestI19EventsOfOneIncidentAreCollapsed",
	},
	{
		Invariant: "I19",
		File:      "internal/control/outbox.go",
		Guard:     "if writ.NoticeState(row.State) != writ.NoticeSending || n.Claim != m.claim {",
		Package:   "./internal/control",
		Test:      "TestI19ANoticeWhoseSenderDiesIsSentAgainUnderItsKey",
	},
	{
		Invariant: "I06",
		File:      "internal/control/cell.go",
		Guard:     "return c.tellDebt(tx, cell.Runner, d, on)",
		Instead:   "return nil",
		Package:   "./internal/control",
		Test:      "TestI06ADebtIsToldWhenItOpensAndWhenItIsPaid",
	},
}

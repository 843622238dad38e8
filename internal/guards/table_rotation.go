package main

// rotations are the guards of the replacement of keys, and of limits that hold across replicas.
var rotations = []Guard{
	{
		Invariant: "keys",
		File:      "internal/control/exchange.go",
		Guard:     "return c.dispatcher(holder) != nil",
		Instead:   "return true",
		Package:   "./internal/control",
		Test:      "TestAPlanThatNamesARetiredDispatchKeyGetsNoGrant",
	},
	{
		Invariant: "keys",
		File:      "internal/rotate/dispatch.go",
		Guard:     "rest > 0 {",
		Instead:   "rest < 0 {",
		Package:   "./internal/rotate",
		Test:      "TestTheDispatchKeyIsReplacedWithoutAnOpenPlanThatNobodyCanPresent",
	},
}

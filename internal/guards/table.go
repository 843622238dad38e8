package main

import "slices"

// table lists the guards: one entry for each line that an invariant rests on, by the area of the program that it is in.
var table = slices.Concat(judgements, connectors, logs, controls, runners, doors, identities, notices, ownJudgements, glasses, tokens, holders, passkeys, sets, pages, advices, approvings, glassAsks, hostiles, shortcuts, turns, rotations, walks, changes, autonomies, agentDoors, reading, intakes, gateways, overtakings, autopasses, doorsAround, evidencing, peoples, tiersInForce, replays)

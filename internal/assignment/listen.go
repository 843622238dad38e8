package assignment

// PathFeed is where a runner listens for changes of the feed, besides the feed that comes with every other answer:
// Listen -> Told. It hears of a freeze although all its slots are busy and no run has anything to deliver.
const PathFeed = "/v1/runner/feed"

// Listen asks for a feed of another epoch than the one that is known, for at most MaxWait. A negative epoch is none and
// is answered at once.
type Listen struct {
	WaitSeconds int   `json:"wait_seconds"`
	Epoch       int64 `json:"epoch"` // of the newest feed that this runner has verified
}

// Told is the newest signed feed: of another epoch, or the same when the wait was over.
type Told struct {
	Feed []byte `json:"feed"`
}

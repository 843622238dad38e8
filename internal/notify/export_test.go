package notify

// What outside bytes meet, for fuzzing.
var (
	RetryAfter  = retryAfter
	HeaderText  = headerText
	EscapeSlack = escapeSlack
	MessageID   = messageID
)

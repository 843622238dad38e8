package gateway

// NextEvent reads one event.
var NextEvent = nextEvent

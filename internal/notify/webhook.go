package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

// HeaderSignature carries "t=<seconds>,v1=<hex>": HMAC-SHA-256 under the channel's secret over the seconds since 1970, a
// full stop and the body. A receiver compares in constant time, and refuses what is older than a few minutes.
const HeaderSignature = "Writ-Signature"

// minSecret is the shortest secret taken: 128 bits in hexadecimal.
const minSecret = 32

// A webhook posts JSON to an on-call tool.
type webhook struct {
	poster
	secret []byte
	now    func() time.Time
}

// NewWebhook makes a channel that posts to address and signs with secret, of at least 32 bytes.
func NewWebhook(address string, secret []byte, o Options) (Channel, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("%w: the webhook's secret is shorter than %d bytes: openssl rand -hex 32 makes one", writ.ErrInvalid, minSecret)
	}
	p, err := o.poster(address)
	return webhook{p, secret, o.Now}, err
}

func (webhook) Kind() string   { return "webhook" }
func (webhook) Personal() bool { return false }

// A webhookBody is what a webhook gets. Members are added, never changed.
type webhookBody struct {
	V       int              `json:"v"`
	Key     string           `json:"key"`
	Thread  string           `json:"thread"`
	Event   writ.NoticeEvent `json:"event"`
	Urgent  bool             `json:"urgent"`
	Title   string           `json:"title"`
	Summary string           `json:"summary"`
	Place   string           `json:"place,omitempty"`
	Count   int              `json:"count"`
	At      time.Time        `json:"at"`
	Until   time.Time        `json:"until,omitzero"`
	Link    string           `json:"link"`
}

func (w webhook) Send(ctx context.Context, _ string, m notice.Message) notice.Result {
	body, err := json.Marshal(webhookBody{
		V: 1, Key: m.Key, Thread: m.Thread, Event: m.Event, Urgent: m.Urgent, Title: m.Subject(), Summary: strings.Join(m.Lines, "\n"), Place: m.Place,
		Count: m.Count, At: m.At.UTC(), Until: m.Until.UTC(), Link: m.Link,
	})
	if err != nil {
		return notice.Result{Failure: writ.FailureRefused, Final: true}
	}
	return w.post(ctx, m.Key, body, map[string]string{"Content-Type": "application/json", HeaderSignature: sign(w.secret, w.now(), body)})
}

func sign(secret []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

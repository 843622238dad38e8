package server

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/notify"
	"github.com/writ-dev/writ/internal/pin"
)

// newNoticeCount counts attempts to tell people.
func newNoticeCount() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "writ_notices_total", Help: "Attempts to tell people, by channel and outcome: delivered, retry, failed (the next recipient is told) or undelivered (there is none).",
	}, []string{"channel", "outcome"})
}

// notices are what the configuration says of them; nil when it says nothing.
func notices(c config.Server, dev bool, count *prometheus.CounterVec) (*control.Notices, error) {
	if c.Notify == nil {
		return nil, nil
	}
	channels, err := NoticeChannels(c, dev)
	if err != nil {
		return nil, err
	}
	n := &control.Notices{Channels: map[string]control.Teller{}, URL: strings.TrimSuffix(c.ExternalURL, "/")}
	n.Routes, n.Contacts = c.NoticeRoutes()
	for name, x := range channels {
		n.Channels[name] = x
		for _, o := range []writ.NoticeOutcome{writ.OutcomeDelivered, writ.OutcomeRetry, writ.OutcomeFailed, writ.OutcomeUndelivered} {
			count.WithLabelValues(name, string(o))
		}
	}
	n.Noticed = func(channel string, o writ.NoticeOutcome) { count.WithLabelValues(channel, string(o)).Inc() }
	return n, nil
}

// NoticeChannels opens the channels of a configuration, by name. No error quotes what their files hold.
func NoticeChannels(c config.Server, dev bool) (map[string]notify.Channel, error) {
	out := map[string]notify.Channel{}
	if c.Notify == nil {
		return out, nil
	}
	for _, x := range c.Notify.Channels {
		made, err := noticeChannel(c, x, dev)
		if err != nil {
			return nil, fmt.Errorf("notify channel %s: %w", x.Name, err)
		}
		out[x.Name] = made
	}
	return out, nil
}

func noticeChannel(c config.Server, x config.NotifyChannel, dev bool) (notify.Channel, error) {
	o := notify.Options{Plain: dev, Now: fault.Clock()}
	if x.CA != "" {
		b, err := os.ReadFile(c.Path(x.CA))
		if err != nil {
			return nil, fmt.Errorf("%w: ca: %w", writ.ErrInvalid, err)
		}
		o.CAs = x509.NewCertPool()
		if !o.CAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%w: ca: no certificate in it", writ.ErrInvalid)
		}
	}
	var errs []error
	read := func(member, file string) string {
		if file == "" {
			return ""
		}
		b, err := pin.ReadFile(c.Path(file))
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %w", writ.ErrInvalid, member, err))
		}
		return strings.TrimSpace(string(b))
	}
	var made notify.Channel
	var err error
	switch {
	case x.Webhook != nil:
		address, secret := x.Webhook.URL, read("webhook.secret_file", x.Webhook.SecretFile)
		if x.Webhook.URLFile != "" {
			address = read("webhook.url_file", x.Webhook.URLFile)
		}
		made, err = notify.NewWebhook(address, []byte(secret), o)
	case x.Slack != nil:
		made, err = notify.NewSlack(read("slack.url_file", x.Slack.URLFile), o)
	case x.Ntfy != nil:
		made, err = notify.NewNtfy(read("ntfy.url_file", x.Ntfy.URLFile), read("ntfy.token_file", x.Ntfy.TokenFile), o)
	default:
		m := x.Mail
		made, err = notify.NewMail(notify.Mail{Server: m.Server, TLS: m.TLS, User: m.User, Password: read("mail.password_file", m.PasswordFile), From: m.From, To: m.To}, o)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return made, err
}

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

// Notify says who is told of what, and how. Addresses that are passwords, and passwords, stand in files of mode 0600.
type Notify struct {
	Channels []NotifyChannel `yaml:"channels"`
	Routes   []NotifyRoute   `yaml:"routes"` // the first whose conditions hold is taken; the last has none
}

// NotifyChannel is one way to tell people: exactly one of its kinds.
type NotifyChannel struct {
	Name    string       `yaml:"name"`
	CA      string       `yaml:"ca,omitempty"` // PEM file; empty means the system's
	Webhook *WebhookHook `yaml:"webhook,omitempty"`
	Slack   *SlackHook   `yaml:"slack,omitempty"`
	Ntfy    *NtfyTopic   `yaml:"ntfy,omitempty"`
	Mail    *MailAccount `yaml:"mail,omitempty"`
}

// WebhookHook is an on-call tool that takes signed JSON.
type WebhookHook struct {
	URL        string `yaml:"url,omitempty"`
	URLFile    string `yaml:"url_file,omitempty"` // instead of url, when the address is a password
	SecretFile string `yaml:"secret_file"`        // of the signature
}

// SlackHook is an incoming webhook of Slack.
type SlackHook struct {
	URLFile string `yaml:"url_file"`
}

// NtfyTopic is a topic of an ntfy server.
type NtfyTopic struct {
	URLFile   string `yaml:"url_file"` // its name is a password
	TokenFile string `yaml:"token_file,omitempty"`
}

// MailAccount submits mail to a server.
type MailAccount struct {
	Server       string   `yaml:"server"` // host:port
	TLS          string   `yaml:"tls"`    // starttls or implicit; none only under --dev on a loopback address
	User         string   `yaml:"user,omitempty"`
	PasswordFile string   `yaml:"password_file,omitempty"`
	From         string   `yaml:"from"`
	To           []string `yaml:"to,omitempty"` // the channel's own recipients
}

// NotifyRoute is one route. Conditions that are left out hold always.
type NotifyRoute struct {
	Events   []string    `yaml:"events,omitempty"`
	Teams    []string    `yaml:"teams,omitempty"`    // that answer for the service
	Severity int         `yaml:"severity,omitempty"` // of the incident: this and worse, 1 is the worst
	Silent   bool        `yaml:"silent,omitempty"`   // nobody is told
	To       []NotifyHop `yaml:"to,omitempty"`       // one after the other
}

// NotifyHop is a channel, or the members of a group on it.
type NotifyHop struct {
	Channel string   `yaml:"channel"`
	Group   string   `yaml:"group,omitempty"` // of the roster; owner and oncall are those of the service
	Wait    Duration `yaml:"wait,omitempty"`  // before the next is told; default 1m
}

// maxWait is above any wait that still means something: a plan waits for people for minutes.
const maxWait = 24 * time.Hour

// Routes returns the routes in the form that is looked up.
func (n Notify) routes() notice.Routes {
	var out notice.Routes
	for _, r := range n.Routes {
		x := notice.Route{Teams: r.Teams, Severity: r.Severity, Silent: r.Silent}
		for _, e := range r.Events {
			x.Events = append(x.Events, writ.NoticeEvent(e))
		}
		for _, h := range r.To {
			x.Hops = append(x.Hops, notice.Hop{Channel: h.Channel, Group: h.Group, Wait: time.Duration(h.Wait)})
		}
		out = append(out, x)
	}
	return out
}

// NoticeRoutes returns the routes, and the addresses of people on channels.
func (s Server) NoticeRoutes() (notice.Routes, map[writ.Person]map[string]string) {
	if s.Notify == nil {
		return nil, nil
	}
	contacts := map[writ.Person]map[string]string{}
	for _, a := range s.Approvers {
		if len(a.Contact) > 0 {
			contacts[writ.Person{Iss: a.Iss, Sub: a.Sub}] = a.Contact
		}
	}
	return s.Notify.routes(), contacts
}

// notices checks notify and the contacts of approvers.
func (c *checks) notices(s Server) {
	var names, mails []string
	if s.Notify != nil {
		c.want(len(s.Notify.Channels) > 0, "notify.channels must name at least one channel")
		for i, x := range s.Notify.Channels {
			key := fmt.Sprintf("notify.channels[%d]", i)
			c.want(writ.IsName(x.Name) && !slices.Contains(names, x.Name), "%s.name must be a plain name of its own, such as ops-slack", key)
			names = append(names, x.Name)
			if x.Mail != nil {
				mails = append(mails, x.Name)
			}
			c.noticeChannel(key, x)
		}
		if c.err == nil {
			err := s.Notify.routes().Check(names)
			c.want(err == nil, "notify.%s", sentence(err))
		}
		for i, r := range s.Notify.Routes {
			for k, h := range r.To {
				c.want(h.Group == "" || slices.Contains(mails, h.Channel), "notify.routes[%d].to[%d]: a group is told by mail, each member at its contact; %s is no mail channel", i, k, writ.Printable(h.Channel, 80))
				c.want(time.Duration(h.Wait) <= maxWait, "notify.routes[%d].to[%d].wait must be at most %s", i, k, maxWait)
			}
		}
	}
	for i, a := range s.Approvers {
		for channel, address := range a.Contact {
			c.want(slices.Contains(mails, channel), "approvers[%d].contact: %q is no mail channel of notify", i, writ.Printable(channel, 80))
			c.fail(fmt.Sprintf("approvers[%d].contact", i), notice.CheckAddress(address))
		}
	}
}

func (c *checks) noticeChannel(key string, x NotifyChannel) {
	kinds := 0
	for _, there := range []bool{x.Webhook != nil, x.Slack != nil, x.Ntfy != nil, x.Mail != nil} {
		if there {
			kinds++
		}
	}
	c.want(kinds == 1, "%s must have exactly one of webhook, slack, ntfy and mail", key)
	if kinds != 1 {
		return
	}
	file := func(member, v string) {
		c.want(v != "" && !strings.Contains(v, "://"), "%s.%s must name a file of mode 0600 that holds it, not be it: it is a password", key, member)
	}
	switch {
	case x.Webhook != nil:
		c.want((x.Webhook.URL == "") != (x.Webhook.URLFile == ""), "%s.webhook must have url, or url_file when the address is a password", key)
		file("webhook.secret_file", x.Webhook.SecretFile)
	case x.Slack != nil:
		file("slack.url_file", x.Slack.URLFile)
	case x.Ntfy != nil:
		file("ntfy.url_file", x.Ntfy.URLFile)
	case x.Mail != nil:
		m := x.Mail
		c.address(key+".mail.server", m.Server)
		c.want(slices.Contains([]string{"starttls", "implicit", "none"}, m.TLS), "%s.mail.tls must be starttls or implicit", key)
		c.want((m.User == "") == (m.PasswordFile == ""), "%s.mail needs user and password_file together", key)
		c.fail(key+".mail.from", notice.CheckAddress(m.From))
		for i, a := range m.To {
			c.fail(fmt.Sprintf("%s.mail.to[%d]", key, i), notice.CheckAddress(a))
		}
	}
}

// sentence is an error without its kind, which the configuration's own sentence has.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), writ.ErrInvalid.Error()+": ")
}

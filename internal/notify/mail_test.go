package notify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/notify"
)

// A postOffice is a real SMTP server (go-smtp) on loopback, with what it was told.
type postOffice struct {
	address string
	cas     *x509.CertPool
	answer  error // to each recipient

	mu    sync.Mutex
	user  string
	from  string
	to    []string
	mails [][]byte
}

func openPost(t *testing.T, how string) *postOffice {
	t.Helper()
	p := &postOffice{cas: x509.NewCertPool()}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, k.Public(), k)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	p.cas.AddCert(cert)
	s := smtp.NewServer(p)
	s.Domain = "post.test"
	secure := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: k}}}
	if how == notify.TLSStart {
		s.TLSConfig = secure
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p.address = l.Addr().String()
	if how == notify.TLSImplicit {
		l = tls.NewListener(l, secure)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return p
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return &clerk{p: p}, nil }

// A clerk is one conversation.
type clerk struct{ p *postOffice }

func (c *clerk) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *clerk) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "hunter2hunter2" {
			return smtp.ErrAuthFailed
		}
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		c.p.user = user
		return nil
	}), nil
}

func (c *clerk) Mail(from string, _ *smtp.MailOptions) error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.from, c.p.to = from, nil
	return nil
}

func (c *clerk) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.to = append(c.p.to, to)
	return c.p.answer
}

func (c *clerk) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.mails = append(c.p.mails, b)
	return err
}

func (c *clerk) Reset()        {}
func (c *clerk) Logout() error { return nil }

func (p *postOffice) config(how string) notify.Mail {
	return notify.Mail{Server: p.address, TLS: how, User: "writ", Password: "hunter2hunter2", From: "writ@corp.test", To: []string{"oncall@corp.test", "team@corp.test"}}
}

func (p *postOffice) channel(t testing.TB, c notify.Mail) notify.Channel {
	t.Helper()
	out, err := notify.NewMail(c, notify.Options{CAs: p.cas, Now: func() time.Time { return at }})
	must(t, err)
	return out
}

func TestMailIsSubmittedWithinTLSWithALogin(t *testing.T) {
	for _, how := range []string{notify.TLSStart, notify.TLSImplicit} {
		t.Run(how, func(t *testing.T) {
			p := openPost(t, how)
			c := p.channel(t, p.config(how))
			m := message(func(m *notice.Message) { m.Lines = []string{"Neustart für shöp", ".", strings.Repeat("long ", 50)} })
			if got := send(t, c, m); got != (notice.Result{}) {
				t.Fatalf("%+v", got)
			}
			if p.user != "writ" || p.from != "writ@corp.test" || strings.Join(p.to, " ") != "oncall@corp.test team@corp.test" || len(p.mails) != 1 {
				t.Fatalf("%s %s %v, %d mails", p.user, p.from, p.to, len(p.mails))
			}
			got, err := netmail.ReadMessage(bytes.NewReader(p.mails[0]))
			must(t, err)
			subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			must(t, err)
			body, err := io.ReadAll(quotedprintable.NewReader(got.Body))
			must(t, err)
			if subject != "Writ: a plan waits for approval, shop in prod" || got.Header.Get("Message-ID") != "<writ.ntc_1-0@corp.test>" || got.Header.Get("References") != "<writ.inc_1@corp.test>" {
				t.Errorf("%q %v", subject, got.Header)
			}
			if text := string(body); !strings.Contains(text, "Neustart für shöp\r\n.\r\n") || !strings.Contains(text, "https://writ.test/plans/pln_1") || strings.Contains(text, "<a") {
				t.Errorf("%q", text)
			}
			if got := c.Send(t.Context(), "ann@corp.test", m); got != (notice.Result{}) || strings.Join(p.to, " ") != "ann@corp.test" {
				t.Errorf("%+v, to %v", got, p.to)
			}
		})
	}
}

func TestMailGetsNoHeaderFromTextOfOthers(t *testing.T) {
	p := openPost(t, notify.TLSStart)
	c := p.channel(t, p.config(notify.TLSStart))
	evil := "x\r\nBcc: evil@evil.test\r\n\r\nContent-Type: text/html"
	m := message(func(m *notice.Message) {
		m.Heading, m.Place, m.Thread, m.Key = evil, evil, evil, evil
	})
	if got := send(t, c, m); got != (notice.Result{}) {
		t.Fatalf("%+v", got)
	}
	got, err := netmail.ReadMessage(bytes.NewReader(p.mails[0]))
	must(t, err)
	if len(got.Header) != 11 || got.Header.Get("Bcc") != "" || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%v", got.Header)
	}
}

func TestWhatAReplyMeans(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		want   notice.Result
	}{
		"nobody of that name": {&smtp.SMTPError{Code: 550, Message: "no"}, notice.Result{Status: 550, Failure: writ.FailureRefused, Final: true}},
		"later":               {&smtp.SMTPError{Code: 451, Message: "later"}, notice.Result{Status: 451, Failure: writ.FailureBusy}},
	} {
		p := openPost(t, notify.TLSStart)
		p.answer = c.answer
		if got := send(t, p.channel(t, p.config(notify.TLSStart)), message()); got != c.want || len(p.mails) != 0 {
			t.Errorf("%s: %+v, %d mails", name, got, len(p.mails))
		}
	}
	p := openPost(t, notify.TLSStart)
	bad := p.config(notify.TLSStart)
	bad.Password = "wrong"
	if got := send(t, p.channel(t, bad), message()); got != (notice.Result{Status: 535, Failure: writ.FailureAuth, Final: true}) {
		t.Errorf("a wrong password: %+v", got)
	}
}

func TestMailIsNotGivenToAServerThatCouldBeAnybody(t *testing.T) {
	open := openPost(t, notify.TLSNone) // offers no STARTTLS
	if got := send(t, open.channel(t, open.config(notify.TLSStart)), message()); got != (notice.Result{Failure: writ.FailureTLS, Final: true}) || open.from != "" || open.user != "" {
		t.Errorf("%+v, it heard of %q", got, open.from)
	}
	p := openPost(t, notify.TLSStart)
	p.cas = x509.NewCertPool()
	if got := send(t, p.channel(t, p.config(notify.TLSStart)), message()); got.Failure != writ.FailureTLS || p.from != "" || p.user != "" {
		t.Errorf("%+v, it heard of %q", got, p.from)
	}
}

func TestAMailServerThatHangsIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	p := &postOffice{address: l.Addr().String(), cas: x509.NewCertPool()}
	for _, how := range []string{notify.TLSStart, notify.TLSImplicit} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		got := p.channel(t, p.config(how)).Send(ctx, "", message())
		cancel()
		if got != (notice.Result{Failure: writ.FailureTimeout}) {
			t.Errorf("%s: %+v", how, got)
		}
	}
}

func TestMailConfigurationsThatWouldLeakOrMisfireAreRefused(t *testing.T) {
	good := notify.Mail{Server: "127.0.0.1:587", TLS: notify.TLSStart, From: "writ@corp.test"}
	dev := notify.Options{Plain: true, Now: time.Now}
	for name, change := range map[string]func(*notify.Mail){
		"no port":                func(m *notify.Mail) { m.Server = "smtp.test" },
		"no TLS elsewhere":       func(m *notify.Mail) { m.Server, m.TLS = "smtp.test:25", notify.TLSNone },
		"a password in the open": func(m *notify.Mail) { m.TLS, m.User, m.Password = notify.TLSNone, "u", "p" },
		"a user alone":           func(m *notify.Mail) { m.User = "u" },
		"no sender":              func(m *notify.Mail) { m.From = "" },
		"two in one":             func(m *notify.Mail) { m.To = []string{"a@corp.test, b@corp.test"} },
		"a name beside it":       func(m *notify.Mail) { m.To = []string{"Ann <ann@corp.test>"} },
		"a line end":             func(m *notify.Mail) { m.To = []string{"ann@corp.test\r\nRCPT TO:<x@y>"} },
		"another kind of TLS":    func(m *notify.Mail) { m.TLS = "tls" },
	} {
		m := good
		change(&m)
		if _, err := notify.NewMail(m, dev); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := notify.NewMail(good, dev); err != nil {
		t.Error(err)
	}
}

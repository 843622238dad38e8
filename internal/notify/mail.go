package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

// Mail is the configuration of a channel by mail.
type Mail struct {
	Server   string   // host:port
	TLS      string   // starttls, implicit, or none: loopback under --dev
	User     string   // empty: no login
	Password string   // AUTH PLAIN, within TLS alone
	From     string   // bare address
	To       []string // bare addresses; may be empty when only people of the roster are told
}

// Kinds of TLS: RFC 3207, and RFC 8314.
const (
	TLSStart    = "starttls"
	TLSImplicit = "implicit"
	TLSNone     = "none"
)

// maxTo bounds a channel's own recipients: beyond it a mailing list is the right place.
const maxTo = 20

type mail struct {
	Mail
	host   string
	domain string // of From: names messages
	o      Options
}

// NewMail makes a channel that submits mail to a server.
func NewMail(c Mail, o Options) (Channel, error) {
	host, _, err := net.SplitHostPort(c.Server)
	switch {
	case err != nil || host == "":
		return nil, fmt.Errorf("%w: server must be host and port, such as smtp.example:587", writ.ErrInvalid)
	case !slices.Contains([]string{TLSStart, TLSImplicit, TLSNone}, c.TLS):
		return nil, fmt.Errorf("%w: tls must be starttls or implicit", writ.ErrInvalid)
	case c.TLS == TLSNone && !(o.Plain && loopback(host)):
		return nil, fmt.Errorf("%w: tls: none is for --dev on a loopback address; use starttls or implicit", writ.ErrInvalid)
	case c.TLS == TLSNone && c.User != "":
		return nil, fmt.Errorf("%w: a password is sent within TLS only", writ.ErrInvalid)
	case (c.User == "") != (c.Password == ""):
		return nil, fmt.Errorf("%w: user and password belong together", writ.ErrInvalid)
	case len(c.To) > maxTo:
		return nil, fmt.Errorf("%w: to has more than %d addresses; use a mailing list", writ.ErrInvalid, maxTo)
	}
	for _, a := range append([]string{c.From}, c.To...) {
		if err := notice.CheckAddress(a); err != nil {
			return nil, err
		}
	}
	_, domain, _ := strings.Cut(c.From, "@")
	return mail{c, host, domain, o}, nil
}

func (mail) Kind() string   { return "mail" }
func (mail) Personal() bool { return true }

// Send submits one message. All its recipients are taken, or none gets it: an address that a server refuses is a failure
// that people see, not one person who is never told.
func (c mail) Send(ctx context.Context, to string, m notice.Message) notice.Result {
	recipients := c.To
	if to != "" {
		recipients = []string{to}
	}
	if len(recipients) == 0 {
		return notice.Result{Failure: writ.FailureNobody, Final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, notice.SendLimit)
	defer cancel()
	err := c.submit(ctx, recipients, c.message(recipients, m, c.o.Now()))
	var reply *textproto.Error
	switch {
	case err == nil:
		return notice.Result{}
	case errors.Is(err, errNoTLS):
		return notice.Result{Failure: writ.FailureTLS, Final: true}
	case errors.As(err, &reply):
		return judgeReply(reply.Code)
	}
	return broken(ctx, err)
}

// errNoTLS: nothing is said to a server that could be anybody.
var errNoTLS = errors.New("the server offers no STARTTLS")

func (c mail) submit(ctx context.Context, to []string, message []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Server)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if c.TLS == TLSImplicit {
		secure := tls.Client(conn, c.o.tls(c.host))
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return err
		}
		conn = secure
	}
	s, err := smtp.NewClient(conn, c.host)
	if err != nil {
		conn.Close()
		return err
	}
	defer s.Close()
	if err := s.Hello(c.domain); err != nil {
		return err
	}
	if c.TLS == TLSStart {
		if ok, _ := s.Extension("STARTTLS"); !ok {
			return errNoTLS
		}
		if err := s.StartTLS(c.o.tls(c.host)); err != nil {
			return err
		}
	}
	if c.User != "" {
		if err := s.Auth(smtp.PlainAuth("", c.User, c.Password, c.host)); err != nil {
			return err
		}
	}
	if err := s.Mail(c.From); err != nil {
		return err
	}
	for _, a := range to {
		if err := s.Rcpt(a); err != nil {
			return err
		}
	}
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // the server has taken it, or not
		return err
	}
	_ = s.Quit()
	return nil
}

// judgeReply reads what an SMTP reply means for a notice (RFC 5321 section 4.2, RFC 4954 section 6).
func judgeReply(code int) notice.Result {
	out := notice.Result{Status: code}
	switch {
	case code == 530 || code == 534 || code == 535 || code == 538:
		out.Failure, out.Final = writ.FailureAuth, true
	case code >= 500:
		out.Failure, out.Final = writ.FailureRefused, true
	default:
		out.Failure = writ.FailureBusy
	}
	return out
}

// message writes a message as RFC 5322 and 2045 have it: text only.
func (c mail) message(to []string, m notice.Message, now time.Time) []byte {
	var b strings.Builder
	header := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	thread := "<" + messageID(m.Thread) + "@" + c.domain + ">"
	header("From", "<"+c.From+">")
	header("To", "<"+strings.Join(to, ">, <")+">")
	header("Subject", headerText(m.Subject()))
	header("Date", now.UTC().Format(time.RFC1123Z))
	header("Message-ID", "<"+messageID(m.Key)+"@"+c.domain+">")
	header("In-Reply-To", thread)
	header("References", thread)
	header("Auto-Submitted", "auto-generated") // RFC 3834: no answering machine answers
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	b.WriteString(quotedPrintable(m.Text() + "\n\nRead it in Writ:\n" + m.Link + "\n"))
	return []byte(b.String())
}

// messageID makes a name fit for the left side of a message's id (RFC 5322 section 3.6.4, dot-atom).
func messageID(s string) string {
	return "writ." + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, s)
}

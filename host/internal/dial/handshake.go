// handshake.go: how WebSockets (RFC 6455 §4.1) and server-sent events begin: a request of HTTP/1.1 and the head of its
// answer.

package dial

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/host/internal/peer"
)

const (
	mostHead = 64 << 10 // bytes of a head, either way
	mostHops = 5        // redirects that are followed
	mostInfo = 8        // interim answers
)

// openWebSocket asks for a WebSocket.
func (t *try) openWebSocket(ctx context.Context) (*peer.Dialed, error) {
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	fields := []string{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Key", key,
		"Sec-WebSocket-Version", "13"}
	if offered := t.order.Subprotocols; len(offered) > 0 {
		fields = append(fields, "Sec-WebSocket-Protocol", strings.Join(offered, ", "))
	}
	d, answer, err := t.ask(ctx, t.order.url, fields)
	if err != nil {
		return nil, err
	}
	if err := t.checkUpgrade(answer, key); err != nil {
		d.Direct.Close()
		return nil, err
	}
	t.as.Subprotocol = answer.Header.Get("Sec-WebSocket-Protocol")
	return d, nil
}

// checkUpgrade finds what is wrong with the answer to a handshake.
func (t *try) checkUpgrade(answer *http.Response, key string) error {
	h := answer.Header
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	chosen := h.Values("Sec-WebSocket-Protocol")
	switch {
	case answer.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("it answered %s, and not 101", status(answer))
	case !strings.EqualFold(h.Get("Upgrade"), "websocket") || !hasToken(h.Values("Connection"), "upgrade"):
		return errors.New("its 101 is for no WebSocket")
	case h.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("its 101 has no Sec-WebSocket-Accept that belongs to our key")
	case strings.Join(h.Values("Sec-WebSocket-Extensions"), "") != "":
		return errors.New("its 101 has extensions that nobody has offered")
	case len(chosen) > 1 || len(chosen) == 1 && !slices.Contains(t.order.Subprotocols, chosen[0]):
		return fmt.Errorf("it has chosen the subprotocol %.80q, which nobody has offered", strings.Join(chosen, ", "))
	}
	return nil
}

func hasToken(values []string, token string) bool {
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// openEvents asks for server-sent events, and follows redirects to where they may be asked for.
func (t *try) openEvents(ctx context.Context) (*peer.Dialed, error) {
	at := t.order.url
	for hops := 0; ; hops++ {
		fields := []string{"Accept", "text/event-stream", "Cache-Control", "no-store"}
		if t.lastID != "" {
			fields = append(fields, "Last-Event-ID", t.lastID)
		}
		d, answer, err := t.ask(ctx, at, fields)
		if err != nil {
			return nil, err
		}
		next, err := t.checkEvents(answer, at)
		if err == nil && next == nil {
			chunked := len(answer.TransferEncoding) > 0
			d.Events = peer.NewEventStream(chunked, answer.ContentLength, t.lastID)
			return d, nil
		}
		d.Direct.Close()
		if err == nil && hops == mostHops {
			err = fmt.Errorf("it was led on more than %d times", mostHops)
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
}

// checkEvents finds what is wrong with the answer of at, or where it leads to.
func (t *try) checkEvents(answer *http.Response, at *url.URL) (next *url.URL, err error) {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	coding := answer.Header.Get("Content-Encoding")
	switch answer.StatusCode {
	case http.StatusOK:
		switch {
		case kind != "text/event-stream":
			return nil, fmt.Errorf("it answered with %.80q, and not text/event-stream",
				answer.Header.Get("Content-Type"))
		case coding != "" && !strings.EqualFold(coding, "identity"):
			return nil, fmt.Errorf("its answer is compressed (%.80q), which nobody has asked for", coding)
		case answer.ContentLength == 0:
			return nil, errors.New("its answer is empty")
		}
		return nil, nil
	case http.StatusNoContent:
		return nil, errOver
	case 301, 302, 303, 307, 308:
	default:
		return nil, fmt.Errorf("it answered %s", status(answer))
	}
	to, err := at.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Header.Get("Location") == "" {
		return nil, fmt.Errorf("it answered %s, and leads nowhere", status(answer))
	}
	to.Fragment, to.RawFragment = "", ""
	if next, err = t.order.Fence.Target(to.String()); err != nil {
		return nil, fmt.Errorf("it leads to where it must not: %w", err)
	}
	if next.Scheme != "https" && next.Scheme != at.Scheme {
		return nil, fmt.Errorf("it leads from %s to %s", at.Scheme, next.Scheme)
	}
	return next, nil
}

func status(answer *http.Response) string { return fmt.Sprintf("%.80q", answer.Status) }

// ask connects, sends a request with the fields beside the order's own, and reads the head of its answer. What came
// behind that is in Ahead.
func (t *try) ask(ctx context.Context, u *url.URL, fields []string) (*peer.Dialed, *http.Response, error) {
	head, err := t.head(u, fields)
	if err != nil {
		return nil, nil, err
	}
	d, err := t.reach(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	var answer *http.Response
	err = within(ctx, d.Conn, func() error {
		if _, err := io.WriteString(d.Conn, head); err != nil {
			return err
		}
		r := bufio.NewReader(&io.LimitedReader{R: d.Conn, N: mostHead})
		for range mostInfo {
			var err error
			answer, err = http.ReadResponse(r, &http.Request{Method: http.MethodGet})
			if err != nil {
				return fmt.Errorf("its answer is none: %w", err)
			}
			if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
				d.Ahead, err = r.Peek(r.Buffered())
				d.Ahead = slices.Clone(d.Ahead)
				return err
			}
		}
		return errors.New("it gives interim answers alone")
	})
	if err != nil {
		d.Direct.Close()
		return nil, nil, err
	}
	return d, answer, nil
}

// head is that of a request to u. Where a redirect leads to another host that gets neither Authorization nor Cookie.
func (t *try) head(u *url.URL, fields []string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", u.RequestURI(), hostField(u))
	elsewhere := place.Host(u) != place.Host(t.order.url)
	agent := t.room.Agent
	given := map[string]bool{}
	for i := 0; i+1 < len(t.order.Headers); i += 2 {
		name, value := t.order.Headers[i], t.order.Headers[i+1]
		key := http.CanonicalHeaderKey(name)
		if elsewhere && (key == "Authorization" || key == "Cookie") {
			continue
		}
		value, err := t.order.Fence.Fill(name, value, u)
		if err != nil {
			return "", err
		}
		if key == "User-Agent" {
			agent = ""
		}
		given[key] = true
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	if agent != "" {
		fmt.Fprintf(&b, "User-Agent: %s\r\n", agent)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if !given[http.CanonicalHeaderKey(fields[i])] {
			fmt.Fprintf(&b, "%s: %s\r\n", fields[i], fields[i+1])
		}
	}
	b.WriteString("\r\n")
	return b.String(), nil
}

// hostField is the Host of a request: without the port where that is the scheme's own.
func hostField(u *url.URL) string {
	if own := u.Port(); u.Scheme == "ws" && own == "80" || u.Scheme == "wss" && own == "443" ||
		u.Scheme == "http" && own == "80" || u.Scheme == "https" && own == "443" {
		return strings.TrimSuffix(u.Host, ":"+own)
	}
	return u.Host
}

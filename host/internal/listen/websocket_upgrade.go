// How a request becomes a WebSocket: the check of its handshake (RFC 6455 §4.2), the workers' word, and the answer.

package listen

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// upgrades says whether r asks to become a WebSocket.
func upgrades(r *http.Request) bool {
	asked := r.Header["Upgrade"]
	return len(asked) > 0 && r.ProtoMajor == 1 && r.ProtoMinor == 1 && hasToken(asked, "websocket") && hasToken(r.Header["Connection"], "upgrade")
}

// checkHandshake says what is wrong with the handshake, and the status for it; 0 if nothing is.
func checkHandshake(r *http.Request) (status int, wrong string) {
	switch version := r.Header["Sec-Websocket-Version"]; {
	case r.Method != http.MethodGet:
		return http.StatusBadRequest, "a WebSocket begins with GET"
	case r.ContentLength != 0:
		return http.StatusBadRequest, "a handshake has no body"
	case len(version) != 1 || version[0] != "13":
		return http.StatusUpgradeRequired, "Sec-WebSocket-Version has to be 13"
	}
	key := r.Header["Sec-Websocket-Key"]
	if len(key) != 1 || len(key[0]) != 24 {
		return http.StatusBadRequest, "Sec-WebSocket-Key has to be 16 bytes in base64"
	}
	if b, err := base64.StdEncoding.DecodeString(key[0]); err != nil || len(b) != 16 {
		return http.StatusBadRequest, "Sec-WebSocket-Key has to be 16 bytes in base64"
	}
	return 0, ""
}

// upgrade answers a request that asks to become a WebSocket. It says false, and does nothing, if the workers handle no
// connections.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, target, scheme, id string) bool {
	ctx, cancel := s.peers.Handshake(r.Context())
	defer cancel()
	handles, known := s.peers.Acquainted(ctx)
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	case !known:
		s.answerFailure(w, r, &protocol.Failure{Kind: protocol.FailedNoWorker, Detail: "no worker has been ready yet"})
	case handles:
		s.openWebSocket(ctx, w, r, target, scheme, id)
	}
	return handles || !known
}

// openWebSocket has the workers decide, and makes the request's connection a WebSocket if they take it. The access
// log's line is that of the handshake.
func (s *Server) openWebSocket(
	ctx context.Context, w http.ResponseWriter, r *http.Request, target, scheme, id string,
) {
	if status, wrong := checkHandshake(r); status != 0 {
		if status == http.StatusUpgradeRequired {
			w.Header()["Sec-Websocket-Version"] = []string{"13"}
			w.Header()["Upgrade"] = []string{"websocket"}
		}
		s.log.Debug("refused a WebSocket handshake", "remote", r.RemoteAddr, "reason", wrong)
		s.refuse(w, r, nil, verdict{status: status}, wrong)
		return
	}
	under := s.hold() // as they are now: it may have waited
	defer under.release()
	limits := under.Sockets
	if wrong := guard.OriginProblem(r, limits.AllowedOrigins); wrong != "" {
		s.log.Debug("refused a WebSocket: add its origin to allowed_origins if it should connect", "remote", r.RemoteAddr, "reason", wrong)
		s.refuse(w, r, nil, verdict{status: http.StatusForbidden}, wrong)
		return
	}
	who, ok := s.peers.Count.Enter(r.RemoteAddr, limits.MaxPerAddress)
	if !ok {
		s.log.Debug("refused a WebSocket: its address has as many as it may", "remote", r.RemoteAddr, "max_connections_per_address", limits.MaxPerAddress)
		s.tooMany(w, r)
		return
	}
	open := false
	defer func() {
		if !open {
			s.peers.Count.Leave(who)
		}
	}()
	x := newExchange(s, under, false)
	defer x.leave()
	if x.record = recordOf(w); x.record != nil {
		x.record.pool = under.Backend.Traits().Pool
	}
	x.request.ID = id
	x.describe(r, target)
	if scheme != "" {
		x.request.Scheme = scheme
	}
	offer := ""
	if limits.Compression {
		offer = peer.AgreeOnDeflate(r.Header["Sec-Websocket-Extensions"])
	}
	c := s.peers.NewWebSocket(who, remote(r), offer != "", &under.peers)
	answer := x.ask(ctx, c.Connection)
	switch {
	case answer == nil && r.Context().Err() != nil:
		c.Closed(protocol.CloseBroken, "", false)
		panic(http.ErrAbortHandler)
	case answer == nil:
		c.Closed(protocol.CloseBroken, "the handshake took too long", false)
		s.answerFailure(w, r, &protocol.Failure{Kind: protocol.FailedTimeout, Detail: "handshake_timeout"})
	case answer.Failure != nil:
		s.answerFailure(w, r, answer.Failure)
	case !answer.Accepted:
		x.response = *answer.Response
		x.deliver(w, r)
	default:
		open = s.connect(under, c, w, r, answer, offer)
	}
}

// ask submits OPEN and waits for what comes of it; nil is that the handshake ended before.
func (x *exchange) ask(handshake context.Context, conn *hub.Connection) *hub.Answer {
	request := x.request // the hub's for as long as it likes, unlike x
	request.Headers = append([]string(nil), request.Headers...)
	if request.TLS != nil {
		facts := x.tls
		request.TLS = &facts
	}
	answers := make(chan hub.Answer, 1)
	conn.Open(&request, func(a hub.Answer) { answers <- a })
	select {
	case a := <-answers:
		return &a
	case <-handshake.Done():
		return nil
	}
}

var errEarly = errors.New("its client did not wait for the answer to its handshake")

// connect tells the client that it is connected, and has it served. It says false if that is not to be.
func (s *Server) connect(
	under *terms, c *peer.WebSocket, w http.ResponseWriter, r *http.Request, answer *hub.Answer, extension string,
) bool {
	head := under.switchingProtocols(w, r, answer, extension)
	held, buffered, err := http.NewResponseController(w).Hijack()
	if err == nil && buffered.Reader.Buffered() > 0 { // what came this early was read as if it were HTTP
		held.Close()
		err = errEarly
	}
	if err != nil {
		s.log.Debug("a WebSocket ended before it began", "remote", r.RemoteAddr, "error", err)
		c.Closed(protocol.CloseBroken, "", false)
		return false
	}
	below, socket := letGo(held)
	if !c.Answer(head, below, socket) {
		held.Close()
		return false
	}
	if record := recordOf(w); record != nil {
		record.status, record.out = http.StatusSwitchingProtocols, int64(len(head))
	}
	return c.Serve()
}

// keyGUID is RFC 6455's (§1.3).
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// switchingProtocols is the answer that makes a WebSocket.
func (t *terms) switchingProtocols(
	w http.ResponseWriter, r *http.Request, answer *hub.Answer, extension string,
) []byte {
	sum := sha1.Sum([]byte(r.Header["Sec-Websocket-Key"][0] + keyGUID))
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
	add := func(name, value string) { b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...) }
	add("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	if answer.Subprotocol != "" {
		add("Sec-WebSocket-Protocol", answer.Subprotocol)
	}
	if extension != "" {
		add("Sec-WebSocket-Extensions", extension)
	}
	for name, values := range w.Header() { // the request's id
		for _, v := range values {
			add(name, v)
		}
	}
	for i := 0; i+1 < len(answer.Headers); i += 2 {
		switch name := http.CanonicalHeaderKey(answer.Headers[i]); {
		case framing(name), name == t.RequestID, len(name) > 14 && name[:14] == "Sec-Websocket-":
		default:
			add(answer.Headers[i], answer.Headers[i+1])
		}
	}
	return append(b, "\r\n"...)
}

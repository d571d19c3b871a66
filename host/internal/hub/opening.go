// OPEN: whether a client may stay.

package hub

import (
	"fmt"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// opening is what is known of an OPEN that is under way. Guarded by the connection's mu.
type opening struct {
	request     *protocol.Request
	answered    func(Admission)
	ticket      protocol.Ticket
	refused     bool // a RESPONSE has come
	subprotocol string
	headers     []string
	refusal     *protocol.Response // until another host has been told of it
}

// Open submits OPEN, with the upgrade request of a WebSocket, which is the hub's from now on, or nil. answered is
// called once, perhaps before Open returns, from a goroutine that must not wait. Workers that have no use for OPEN
// accept everyone. If the front gives up (the client left, or takes too long), it calls Closed; answered is then
// called with a Failure, or was.
func (c *Connection) Open(request *protocol.Request, answered func(Admission)) {
	t := c.Terms()
	if !c.hub.gate.pass() {
		c.hub.ask(func() { c.Open(request, answered) }, func(heir Heir) { c.openElsewhere(heir, request, answered) })
		return
	}
	defer c.hub.gate.leave()
	traits := t.Backend.Traits()
	c.mu.Lock()
	if c.life >= gone {
		c.mu.Unlock()
		answered(Admission{Failure: &protocol.Failure{Kind: protocol.FailedCancelled}})
		return
	}
	c.opening = &opening{request: request, answered: answered}
	move(&c.turn, awaiting, &turnMoves)
	c.mu.Unlock()
	c.submitOpen(t, &traits)
}

// submitOpen has the workers decide, if they have a use for that. The turn is awaiting, and the gate passed.
func (c *Connection) submitOpen(t *Terms, traits *protocol.Traits) {
	if !traits.Events.Open {
		c.goOn(c.handled(handlingOpen, nil, nil, nil))
		return
	}
	c.mu.Lock()
	o := c.opening
	c.handles = handlingOpen
	c.mu.Unlock()
	request := o.request
	e := c.event(t, &protocol.Open{Connection: c.view(), Request: request}, !traits.AtMostOnce)
	e.follow(t.Tracer)
	ticket := t.Backend.Submit(&e.Exchange)
	e.release()
	c.mu.Lock()
	o.ticket = ticket
	late := c.life == gone && c.opening == o
	c.mu.Unlock()
	if late && ticket != nil {
		ticket.Cancel(protocol.ResetCancelled)
	}
}

// refuse notes that OPEN's worker has refused the client.
func (c *Connection) refuse() {
	c.mu.Lock()
	if c.opening != nil {
		c.opening.refused = true
	}
	c.mu.Unlock()
}

// settleOpen ends the opening. A client that was not accepted is none of the hub's any more.
func (c *Connection) settleOpen(failure *protocol.Failure, refusal *protocol.Response) {
	accept := failure == nil && refusal == nil
	stopping := false
	if accept {
		c.hub.mu.Lock()
		stopping = c.hub.enter(c)
		c.hub.mu.Unlock()
	}
	c.mu.Lock()
	o := c.opening
	c.opening = nil
	if accept {
		move(&c.outlet.line, accepted, &lineMoves)
	} else {
		if c.life == hungUp {
			c.ending.timer.Stop()
		}
		move(&c.life, over, &lifeMoves)
		c.discard()
		c.inbox.makeRoom()
	}
	c.mu.Unlock()
	switch {
	case accept:
		o.answered(Admission{Accepted: true, Subprotocol: o.subprotocol, Headers: o.headers})
	case failure != nil:
		if failure.Kind != protocol.FailedCancelled {
			c.hub.log.Error("a client was turned away, for its OPEN could not be handled", "connection", c.id,
				"protocol", c.card.Protocol,
				"remote", c.card.Remote, "pool", c.Terms().Backend.Traits().Pool, "error", failure.Error())
		}
		o.answered(Admission{Failure: failure})
	default:
		o.answered(Admission{Response: refusal})
	}
	if stopping {
		c.hangup(protocol.CloseGoing, goingReason, true)
	}
}

// opens says whether an OPEN of c is under way that has not been refused.
func (c *Connection) opens() (opens, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opening != nil, c.opening != nil && c.opening.refused
}

// accept keeps what ACCEPT says for the answer.
func (c *Connection) accept(m *protocol.Accept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opening != nil {
		c.opening.subprotocol, c.opening.headers = m.Subprotocol, m.Headers
	}
}

// checkAccept says what is wrong with an ACCEPT.
func (c *Connection) checkAccept(m *protocol.Accept) error {
	c.mu.Lock()
	o := c.opening
	c.mu.Unlock()
	if o == nil || o.request == nil {
		return fmt.Errorf("ACCEPT belongs to the OPEN of a WebSocket: there is none here to answer")
	}
	if m.Subprotocol != "" {
		offered := subprotocols(o.request.Headers)
		if !slices.Contains(offered, m.Subprotocol) {
			return fmt.Errorf("ACCEPT chooses the subprotocol %q, but the client offers %s", m.Subprotocol,
				orNone(offered))
		}
	}
	if err := protocol.CheckHeaders(m.Headers); err != nil {
		return fmt.Errorf("ACCEPT: %w", err)
	}
	for i := 0; i+1 < len(m.Headers); i += 2 {
		if name := strings.ToLower(m.Headers[i]); strings.HasPrefix(name, "sec-websocket-") || handshake[name] {
			return fmt.Errorf("ACCEPT sets the header %s, which belongs to the handshake and is the host's to write",
				m.Headers[i])
		}
	}
	return nil
}

// handshake are headers that an answer to an upgrade can't have from elsewhere.
var handshake = map[string]bool{
	"connection": true, "upgrade": true, "content-length": true, "transfer-encoding": true, "trailer": true,
	"te": true, "keep-alive": true, "proxy-connection": true,
}

func subprotocols(headers []string) (all []string) {
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.EqualFold(headers[i], "Sec-WebSocket-Protocol") {
			for s := range strings.SplitSeq(headers[i+1], ",") {
				if s = strings.TrimSpace(s); s != "" {
					all = append(all, s)
				}
			}
		}
	}
	return all
}

func orNone(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

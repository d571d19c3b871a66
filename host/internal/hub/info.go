// What operators are told of connections.

package hub

import "time"

// Info is what operators are told of a connection.
type Info struct {
	ID          string    `json:"id"`
	Protocol    string    `json:"protocol"`
	Remote      string    `json:"remote"`
	Listener    string    `json:"listener"`
	Dial        string    `json:"dial,omitempty"` // the name of the dial; "" is that of a client
	Pool        string    `json:"pool"`
	Realm       string    `json:"realm,omitempty"` // for whoever lists those of several hubs
	UID         string    `json:"uid"`
	Groups      []string  `json:"groups"`
	Since       time.Time `json:"since"`
	MessagesIn  int64     `json:"messages_in"`
	MessagesOut int64     `json:"messages_out"`
	BytesIn     int64     `json:"bytes_in"`     // of messages
	BytesOut    int64     `json:"bytes_out"`    // of messages, encoded
	Dropped     int64     `json:"dropped"`      // messages for a client that was too slow
	Queued      int64     `json:"queued"`       // bytes that wait to be sent, with 32 for each message
	Waiting     int       `json:"waiting"`      // messages that wait to be handled
	SessionSize int       `json:"session_size"` // bytes, encoded
}

// List tells of all connections that are open, in no particular order.
func (h *Hub) List() []Info {
	h.mu.Lock()
	all := h.pickAll(h.all, true)
	h.mu.Unlock()
	list := make([]Info, len(all))
	pools := map[*Terms]string{}
	for i, c := range all {
		t := c.Terms()
		pool, ok := pools[t]
		if !ok {
			pool = t.Backend.Traits().Pool
			pools[t] = pool
		}
		list[i] = c.info(pool)
	}
	return list
}

// Info is what operators are told of the connection.
func (c *Connection) Info() Info { return c.info(c.Terms().Backend.Traits().Pool) }

func (c *Connection) info(pool string) Info {
	st := c.state.Load()
	dial := ""
	if d := c.Terms().Dial; d != nil {
		dial = d.Name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Info{
		Dial: dial,
		ID:   c.id, Protocol: c.card.Protocol, Remote: c.card.Remote, Listener: c.card.Listener, Pool: pool,
		UID: st.uid, Groups: append([]string{}, st.groups...), SessionSize: st.size, Since: time.Unix(0, c.since),
		MessagesIn: c.counts.messagesIn, MessagesOut: c.counts.messagesOut, BytesIn: c.counts.bytesIn,
		BytesOut: c.counts.bytesOut,
		Dropped:  c.counts.dropped, Queued: c.queued(), Waiting: len(c.inbox.messages),
	}
}

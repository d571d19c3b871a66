package protocol

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// packed is what an independent encoder writes.
func packed(t *testing.T, v any) []byte {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tails are messages in which nothing has its default, and the first element that they leave out.
func tails() map[Message]int {
	client := Connection{ID: "c1", Protocol: ProtoTCP, Remote: "192.0.2.1:5", UID: "7", Groups: []string{"g"},
		Session: []Entry{{"k", Value("\x01")}}, Listener: ":9000", Trace: []string{"traceparent", "00-1-2-01"},
		Dial: &Dialed{"d", 3, "p"}}
	upgrade := &Request{Flags: FlagEnd, Attempt: 1, Headers: []string{"A", "b"}, TLS: &TLS{Version: "TLS 1.3"}}
	tls := &TLS{"TLS 1.3", "TLS_AES_128_GCM_SHA256", "www.example.org", "h2",
		&ClientCertificate{"CN=a", "CN=b", "1F", []byte("der")}}
	headers := []string{"A", "b"}
	return map[Message]int{
		&Drain{Deadline: 5}: 2,
		&Ending{Last: 5}:    2,
		&Request{Stream: 1, Flags: FlagEnd, Method: "GET", Target: "/", Version: "1.1", Scheme: "http", Host: "h",
			Remote:  "r",
			Headers: headers, Body: []byte("body"), Length: 4, Form: &Form{Fields: headers}, TLS: tls, Attempt: 2,
			ID:    "id",
			Local: "192.0.2.2:80", Deadline: 30000, Tunnel: TunnelWebSocket}: 10,
		&Response{Stream: 1, Flags: FlagEnd, Status: 200, Headers: headers, Body: []byte("body"), File: "/f",
			Hold:  &Hold{client.Groups, "7", client.Session, true, 5},
			Fetch: &Fetch{"https://a", "PUT", headers, []string{"*"}, Value("\x01"), 5, 6}}: 5,
		&Data{Stream: 1, Flags: FlagEnd, Bytes: []byte("some"), Trailers: headers}: 4,
		&Reset{Stream: 1, Code: ResetTimeout, Reason: "why"}:                       3,
		&Open{Stream: 1, Connection: client, Attempt: 2, Request: upgrade}:         3,
		&Incoming{Stream: 1, Flags: FlagEnd, Connection: client, Attempt: 2, Bytes: []byte("some"),
			More: []Later{{FlagBinary, []byte("more"), nil}}, About: headers}: 6,
		&Send{Stream: 1, To: ToAll, Bytes: []byte("some"), Except: []string{"c1"}}:                6,
		&Hangup{Stream: 1, To: ToAll, Code: 4000, Reason: "why", Except: []string{"c1"}}:          7,
		&Set{Stream: 1, Connection: "c1", Set: client.Session, Unset: []string{"u"}}:              5,
		&Swap{Stream: 2, Connection: "c1", Version: 3, Set: client.Session, Unset: []string{"u"}}: 5,
		&Call{Stream: 2, Method: "m", Arguments: []Value{{1}}, Timeout: 5}:                        3,
		&Result{Stream: 2, Value: Value("\x91\x01"), Code: CallTooLarge, More: true}:              3,
	}
}

// Every combination of elements with and without their default is cut as far as it can be, and read the same however
// much of it was sent.
func TestTrailingDefaultsAreLeftOutAndFilledIn(t *testing.T) {
	for m, first := range tails() {
		full, defaults := elements(m), elements(withDefaults(m.Type()))
		for given := range 1 << (len(full) - first) {
			some, length := append([]any(nil), full...), first
			for i := first; i < len(full); i++ {
				if given&(1<<(i-first)) != 0 {
					length = i + 1
				} else {
					some[i] = defaults[i]
				}
			}
			whole := newMessage(m.Type())
			if err := whole.Parse(packed(t, some)); err != nil {
				if r, ok := m.(*Result); ok && r.More && given&1 == 0 { // nothing has no pieces
					continue
				}
				t.Fatalf("%v: %v", some, err)
			}
			want := packed(t, some[:length])
			if frame := whole.AppendFrame([]byte("before")); string(frame[6+lengthSize:]) != string(want) {
				t.Errorf("%v is encoded as\n%x, want\n%x", some, frame[6+lengthSize:], want)
			}
			for sent := length; sent < len(full); sent++ {
				cut := newMessage(m.Type())
				if err := cut.Parse(packed(t, some[:sent])); err != nil || !reflect.DeepEqual(cut, whole) {
					t.Errorf("%v is read as\n%+v, want\n%+v (%v)", some[:sent], cut, whole, err)
				}
			}
		}
	}
}

func TestFetchesLeaveOutTrailingDefaults(t *testing.T) {
	for given := range 1 << 6 {
		f := Fetch{URL: "https://a", Method: "GET"}
		if given&1 != 0 {
			f.Method = "PUT"
		}
		if given&2 != 0 {
			f.Headers = []string{"A", "b"}
		}
		if given&4 != 0 {
			f.Pass = []string{PassAll}
		}
		if given&8 != 0 {
			f.Context = Value("\x01")
		}
		if given&16 != 0 {
			f.Keep = 5
		}
		if given&32 != 0 {
			f.Timeout = 6
		}
		if got, want := f.append(nil), packed(t, fetchElements(&f)); !bytes.Equal(got, want) {
			t.Errorf("%+v is encoded as %x, want %x", f, got, want)
		}
	}
}

func TestConnectionsAndHoldsLeaveOutTrailingDefaults(t *testing.T) {
	for given := range 1 << 8 {
		c, h := Connection{ID: "c1", Protocol: ProtoTCP, Remote: "192.0.2.1:5"}, Hold{}
		if given&1 != 0 {
			h.Groups, c.Groups = []string{"g"}, []string{"g"}
		}
		if given&2 != 0 {
			h.UID, c.UID = "7", "7"
		}
		if given&4 != 0 {
			h.Session, c.Session = []Entry{{"k", Value("\x01")}}, []Entry{{"k", Value("\x01")}}
		}
		if given&8 != 0 {
			h.Once, c.Listener = true, ":9000"
		}
		if given&16 != 0 {
			h.Timeout, c.Trace = 5, []string{"traceparent", "00-1-2-01"}
		}
		if given&32 != 0 {
			c.Dial = &Dialed{Name: "d"}
			if given&64 != 0 {
				c.Dial.Reconnects = 3
			}
			if given&128 != 0 {
				c.Dial.Subprotocol = "p"
			}
		}
		if got, want := h.append(nil), packed(t, holdElements(&h)); !bytes.Equal(got, want) {
			t.Errorf("%+v is encoded as %x, want %x", h, got, want)
		}
		if got, want := c.Value(), packed(t, connectionElements(&c)); !bytes.Equal(got, want) {
			t.Errorf("%+v is encoded as %x, want %x", c, got, want)
		}
	}
}

package fetch

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnAnswerOverHTTP2HasASmallWindow(t *testing.T) {
	const preface, isSettings, initialWindow = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 4, 4 // RFC 9113 §3.4, §6.5
	got := make(chan uint32, 1)
	other := httptest.NewUnstartedServer(nil)
	other.EnableHTTP2 = true
	other.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
			defer conn.Close()
			defer close(got)
			in := bufio.NewReader(conn)
			head := make([]byte, len(preface)+9)
			if _, err := io.ReadFull(in, head); err != nil || head[len(preface)+3] != isSettings {
				return
			}
			settings := make([]byte, binary.BigEndian.Uint16(head[len(preface)+1:]))
			io.ReadFull(in, settings)
			for ; len(settings) >= 6; settings = settings[6:] {
				if binary.BigEndian.Uint16(settings) == initialWindow {
					got <- binary.BigEndian.Uint32(settings[2:])
				}
			}
		},
	}
	other.StartTLS()
	defer other.Close()
	client := newTransport(loopback)
	client.TLSClientConfig = other.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	defer client.CloseIdleConnections()
	r, err := http.NewRequest("GET", other.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := client.RoundTrip(r); err == nil { // nothing answers
		answer.Body.Close()
	}
	if size, told := <-got; !told || size != window {
		t.Errorf("an answer may have %d bytes on their way to here (told: %v)", size, told)
	}
}

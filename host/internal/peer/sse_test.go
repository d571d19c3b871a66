package peer

import (
	"fmt"
	"testing"

	"github.com/workerhost/workerhost/host/internal/hub"
)

func TestEventsHaveALineOfDataForEachLine(t *testing.T) {
	for text, want := range map[string]string{
		"":           "data: \n\n",
		"a":          "data: a\n\n",
		" a":         "data:  a\n\n",
		"a\nb":       "data: a\ndata: b\n\n",
		"a\r\nb":     "data: a\ndata: b\n\n",
		"a\rb\n\rc":  "data: a\ndata: b\ndata: \ndata: c\n\n",
		"a\n":        "data: a\ndata: \n\n",
		"\r\n":       "data: \ndata: \n\n",
		"id: 9\n: x": "data: id: 9\ndata: : x\n\n",
	} {
		if got := string(heldEncoding{events: true}.Append(nil, []byte(text), false)); got != want {
			t.Errorf("%q became %q, expected %q", text, got, want)
		}
		chunk := fmt.Sprintf("%x\r\n%s\r\n", len(want), want)
		if got := string(heldEncoding{events: true, chunked: true}.Append([]byte("x"), []byte(text),
			false)); got != "x"+chunk {
			t.Errorf("%q became %q, expected %q", text, got, chunk)
		}
	}
	var e hub.Encoding = heldEncoding{chunked: true}
	if got := string(e.Append(nil, []byte("a\nb"), false)); got != "3\r\na\nb\r\n" {
		t.Errorf("%q", got)
	}
}

package serve

import (
	"net"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/activation"
)

func TestProcess1RefusesSocketsThatTheHostBelowItCanNotHave(t *testing.T) {
	if err := refusePassed(nil, nil); err != nil {
		t.Error("nothing was passed: ", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := activation.Open("web", f)
	if err != nil {
		t.Fatal(err)
	}
	if err := refusePassed(activation.Of(s), nil); err == nil || !strings.Contains(err.Error(), "1 socket came") {
		t.Error(err)
	}
}

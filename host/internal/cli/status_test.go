package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestStatusIsATableThatPeopleCanRead(t *testing.T) {
	var out bytes.Buffer
	showStatus(&Terminal{Out: &out}, control.Status{
		Version: "1.2.3", PID: 4711, Uptime: 3*3600 + 12*60, Config: "/etc/app/host.toml",
		Listen: []control.Listener{{Address: "127.0.0.1:8080", Protocol: "http", Pool: "web", Serving: true},
			{Address: ":8443", Protocol: "http", Pool: "api", TLS: true, HTTP3: true}},
		Pools: []control.Pool{
			{
				Name: "web", Generation: 3, Queued: 2, Waiting: 1, Directory: "/srv/web/releases/42", Pinned: true,
				Reloading: true,
				Workers: []control.Worker{
					{Slot: 0, PID: 5001, State: "busy", Generation: 3, Requests: 12345, Memory: 19083469, Uptime: 61},
					{Slot: 0, PID: 4801, State: "draining", Generation: 2, Requests: 7, Memory: 512, Uptime: 90000},
					{Slot: 1, State: "backing-off", Generation: 3, Restarts: 12},
				},
				Templates: []control.Template{{PID: 4800, Generation: 2, Memory: 40 << 20},
					{PID: 5000, Generation: 3, Booting: true}},
			},
			{Name: "api", Failure: "Parse error\nin line 3", LogDropped: 12, Workers: []control.Worker{}},
		},
	})
	const expected = `host 1.2.3  pid 4711  up 3h 12m  /etc/app/host.toml

  127.0.0.1:8080  http                       → web
  :8443           http over TLS, and HTTP/3  → api  waits for its pool

web  generation 3  2 workers  2 queued, 1 event waiting  reloading  /srv/web/releases/42
  generation 2 is forked from process 4800, of 40.0 MiB
  generation 3 is to be forked from process 5000, which starts
  WORKER   PID  STATE        GENERATION  REQUESTS    MEMORY  UPTIME  RESTARTS  LAST RESTART
       0  5001  busy                  3     12345  18.2 MiB   1m 1s         0
       0  4801  draining              2         7     512 B   1d 1h         0
       1     -  backing-off           3         0         -       -        12

api  starting
  the last start failed: Parse error
  in line 3
  lines missing from the log: 12, since a worker said more than log_rate
`
	if out.String() != expected {
		t.Errorf("expected\n%s\ngot\n%s", expected, out.String())
	}
}

func TestStatusSaysHowTheHostTookOver(t *testing.T) {
	at := time.Date(2030, 2, 1, 18, 0, 0, 0, time.Local)
	until := at.Add(time.Hour)
	first := control.Upgraded{Time: at, PID: 17, Version: "1.2.2", Moved: 2000, Paused: 81.5, Stayed: 3,
		Finishes: true}
	guests := first
	guests.Guests, guests.Until = 1, &until
	const head = "took over 2030-02-01 18:00:00 from pid 17, 1.2.2, with "
	const moved = head + "2000 long-lived connections after a pause of 82ms; 3 stayed\n"
	for _, c := range []struct {
		upgrade control.Upgraded
		want    string
	}{
		{first, moved + "the old process still finishes what it has\n"},
		{guests, moved + "by way of an old process until 2030-02-01 19:00:00 at most: 1 connection\n"},
		{control.Upgraded{Time: at, PID: 17, Version: "1.2.2"}, head + "0 long-lived connections\n"},
	} {
		var out bytes.Buffer
		showUpgrade(&Terminal{Out: &out}, &c.upgrade)
		if out.String() != c.want {
			t.Errorf("got:\n%s\nwant:\n%s", out.String(), c.want)
		}
	}
}

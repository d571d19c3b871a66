// gRPC in PHP: examples/grpc-php, called by clients that we did not write.

package ecosystem

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/examples/grpc-go/sums"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // for UseCompressor
	"google.golang.org/grpc/status"
)

// phpFolder is the example's.
func phpFolder() string { return filepath.Join(harness.Repository, "examples/grpc-php") }

// servePHP serves the example, with a client for it.
func servePHP(t *testing.T, settings string) (*harness.Host, sums.SumsClient) {
	t.Helper()
	return serveScript(t, filepath.Join(phpFolder(), "worker.php"), settings)
}

// serveScript is servePHP with another script.
func serveScript(t *testing.T, script, settings string) (*harness.Host, sums.SumsClient) {
	t.Helper()
	if _, err := os.Stat("/usr/share/php/Google/Protobuf/Internal/Message.php"); err != nil {
		t.Skip("php-google-protobuf is not installed; .ci/setup test does that")
	}
	addr := harness.FreeAddress(t)
	text := strings.Replace(harness.ReadFile(t, filepath.Join(phpFolder(), "host.toml")), "127.0.0.1:8080", addr, 1)
	text = strings.Replace(text, `"worker.php"`, fmt.Sprintf("%q", script), 1)
	config := filepath.Join(t.TempDir(), "host.toml")
	harness.Must(t, os.WriteFile(config, []byte(text+settings), 0o644))
	return harness.StartWith(t, addr, "-c", config), client(t, addr, insecure.NewCredentials())
}

func TestTheExampleOfGRPCInPHPAnswersCallsOfAllKinds(t *testing.T) {
	t.Parallel()
	h, c := servePHP(t, "")
	if code, page := h.Get("/"); code != 200 || !strings.Contains(page, "sums.proto") {
		t.Errorf("its page is %d %q", code, page)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
		if n, err := c.Divide(ctx, &sums.Division{Dividend: 84, Divisor: 2}, options...); err != nil || n.Value != 42 {
			t.Error(n, err)
		}
	}
	_, err := c.Divide(ctx, &sums.Division{Dividend: 7})
	s := status.Convert(err)
	details := s.Details()
	if s.Code() != codes.InvalidArgument || s.Message() != "nothing can be divided by 0" || len(details) != 1 {
		t.Fatal(err, details)
	}
	if d, ok := details[0].(*sums.Division); !ok || d.Dividend != 7 {
		t.Error(details)
	}
	harness.Must(t, countDown(ctx, c, 500))
	harness.Must(t, addUp(ctx, c, 100))
	stream, err := c.Total(ctx)
	harness.Must(t, err)
	for i := range int64(3) { // each is answered before the next one is sent
		harness.Must(t, total(stream, 1, i+1))
	}
	harness.Must(t, stream.CloseSend())
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	stream, err = c.Total(short)
	harness.Must(t, err)
	if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

// countDown has the numbers up to n sent, and looks at each.
func countDown(ctx context.Context, c sums.SumsClient, n int64) error {
	stream, err := c.Count(ctx, &sums.Number{Value: n})
	for want := int64(1); err == nil && want <= n; want++ {
		var got *sums.Number
		if got, err = stream.Recv(); err == nil && got.Value != want {
			err = fmt.Errorf("%d in place of %d", got.Value, want)
		}
	}
	if err == nil {
		if _, err = stream.Recv(); err == io.EOF {
			err = nil
		}
	}
	return err
}

// addUp sends the numbers up to n.
func addUp(ctx context.Context, c sums.SumsClient, n int64) error {
	stream, err := add(ctx, c, n)
	if err != nil {
		return err
	}
	sum, err := stream.CloseAndRecv()
	if err == nil && sum.Value != n*(n+1)/2 {
		err = fmt.Errorf("%d", sum.Value)
	}
	return err
}

func TestReloadsUnderCallsOfGRPCInPHPFailNone(t *testing.T) {
	t.Parallel()
	h, c := servePHP(t, "workers = 2\n")
	ctx := t.Context()
	load := harness.NewLoad(h)
	load.Run(3, "one message each way", func() error {
		n, err := c.Divide(ctx, &sums.Division{Dividend: 84, Divisor: 2})
		if err == nil && n.Value != 42 {
			err = fmt.Errorf("%d", n.Value)
		}
		return err
	})
	load.Run(1, "many down", func() error { return countDown(ctx, c, 200) })
	load.Run(1, "many up", func() error { return addUp(ctx, c, 50) })
	load.Run(1, "both ways", func() error {
		stream, err := c.Total(ctx)
		for i := int64(1); err == nil && i <= 30; i++ {
			err = total(stream, 1, i)
		}
		if err == nil {
			err = stream.CloseSend()
		}
		if err == nil {
			if _, err = stream.Recv(); err == io.EOF {
				err = nil
			}
		}
		return err
	})
	for range 5 {
		before := load.Served.Load()
		h.Reload()
		h.Eventually("calls are answered after the reload", func() bool { return load.Served.Load() > before+50 })
	}
	load.Stop()
}

func TestManyStreamsOfGRPCInPHPShareAWorkerAndEndAsUnavailableWhereADrainCutsThemOff(t *testing.T) {
	t.Parallel()
	h, c := servePHP(t, "workers = 1\ndrain_timeout = \"500ms\"\n")
	var streams []grpc.BidiStreamingClient[sums.Number, sums.Number]
	for range 200 {
		stream, err := c.Total(t.Context())
		harness.Must(t, err)
		harness.Must(t, total(stream, 1, 1))
		streams = append(streams, stream)
	}
	if pids := h.PIDs(); len(pids) != 1 {
		t.Error("workers:", pids)
	}
	for _, stream := range streams { // while all others are open
		harness.Must(t, total(stream, 1, 2))
	}
	h.Reload()
	for _, stream := range streams {
		if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
	}
	if n, err := c.Divide(t.Context(), &sums.Division{Dividend: 84, Divisor: 2}); err != nil || n.Value != 42 {
		t.Error("after it:", n, err)
	}
}

func TestAWorkerInPHPOfOneCallAtATimeAnswersEachMessageAsItComes(t *testing.T) {
	t.Parallel()
	text := harness.ReadFile(t, filepath.Join(phpFolder(), "worker.php"))
	script := filepath.Join(t.TempDir(), "worker.php")
	text = regexp.MustCompile(`->concurrency\(.*`).ReplaceAllString(text, "")
	harness.Must(t, os.WriteFile(script, []byte(strings.ReplaceAll(text, "__DIR__", "'"+phpFolder()+"'")), 0o644))
	_, c := serveScript(t, script, "workers = 1\n") // and request_body is buffer
	for range 2 {
		stream, err := c.Total(t.Context())
		harness.Must(t, err)
		for i := range int64(3) {
			harness.Must(t, total(stream, 1, i+1))
		}
		harness.Must(t, stream.CloseSend())
		if _, err := stream.Recv(); err != io.EOF {
			t.Error(err)
		}
	}
}

func TestPythonsClientOfGRPCTalksToPHP(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // Debian's package is for Debian's Python
	if err := exec.Command(python, "-c", "import grpc").Run(); err != nil {
		t.Skip("python3-grpcio is not installed; .ci/setup test does that")
	}
	h, _ := servePHP(t, "")
	out, err := exec.CommandContext(t.Context(), python, "testdata/client.py", h.Addr).CombinedOutput()
	want := "one 42\ndown [1, 2, 3]\nup 6\nboth [1, 3, 6]\nrefused INVALID_ARGUMENT nothing can be divided by 0\n" +
		"unknown UNIMPLEMENTED\nlate DEADLINE_EXCEEDED\n"
	if string(out) != want || err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

package ecosystem

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/examples/grpc-go/sums"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const folder = "examples/grpc-go"

func client(t *testing.T, address string, with credentials.TransportCredentials) sums.SumsClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:"+address, grpc.WithTransportCredentials(with))
	harness.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	return sums.NewSumsClient(conn)
}

// serveSums serves the example's program, in cleartext and over TLS, with a client for each. The reloads of tests are
// not to wait for the linker, so it is built once.
func serveSums(t *testing.T, settings string) (h *harness.Host, plain, secure sums.SumsClient) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "sums")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(harness.Repository, folder)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	harness.Certificate(t, dir, 1)
	addr, tlsAddr := harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\n"+
		"tls = { certificate = \"cert.pem\", key = \"key.pem\" }\n[pool.sums]\ncommand = [%q]\nworkers = 1\n%s",
		addr, tlsAddr, program, settings))
	h = harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	pem, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	harness.Must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return h, client(t, addr, insecure.NewCredentials()),
		client(t, tlsAddr, credentials.NewTLS(&tls.Config{RootCAs: roots}))
}

func TestTheExampleOfGRPCAnswersAsItsPageSays(t *testing.T) {
	t.Parallel()
	text := harness.ReadFile(t, filepath.Join(harness.Repository, folder, "host.toml"))
	addr, config := harness.FreeAddress(t), filepath.Join(t.TempDir(), "host.toml")
	text = strings.Replace(text, "127.0.0.1:8080", addr, 1)
	text = strings.Replace(text, `"."`, fmt.Sprintf("%q", filepath.Join(harness.Repository, folder)), 1)
	harness.Must(t, os.WriteFile(config, []byte(text), 0o644))
	h := harness.StartWith(t, addr, "-c", config)
	if code, page := h.Get("/"); code != 200 || !strings.Contains(page, "sums.proto") {
		t.Errorf("its page is %d %q", code, page)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := client(t, addr, insecure.NewCredentials())
	if n, err := c.Divide(ctx, &sums.Division{Dividend: 84, Divisor: 2}); err != nil || n.Value != 42 {
		t.Error(n, err)
	}
	_, err := c.Divide(ctx, &sums.Division{Dividend: 1})
	s := status.Convert(err)
	if details := s.Details(); s.Code() != codes.InvalidArgument || len(details) != 1 ||
		details[0].(*errdetails.BadRequest).FieldViolations[0].Field != "divisor" {
		t.Error(err, details)
	}
	stream, err := c.Total(ctx)
	harness.Must(t, err)
	harness.Must(t, total(stream, 1, 1))
	h.Reload() // builds it anew
	_, err = stream.Recv()
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "call again") {
		t.Error("of the reload it says", err)
	}
	stream, err = c.Total(ctx)
	harness.Must(t, err)
	harness.Must(t, total(stream, 5, 5))
	harness.Must(t, stream.CloseSend())
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}
}

func total(stream grpc.BidiStreamingClient[sums.Number, sums.Number], add, want int64) error {
	if err := stream.Send(&sums.Number{Value: add}); err != nil && err != io.EOF { // of which Recv says why
		return err
	}
	n, err := stream.Recv()
	if err == nil && n.Value != want {
		err = fmt.Errorf("the total is %d", n.Value)
	}
	return err
}

// add sends 1 to n, and gives the call up to that.
func add(ctx context.Context, c sums.SumsClient, n int64) (adder, error) {
	stream, err := c.Add(ctx)
	for i := int64(1); err == nil && i <= n; i++ {
		err = stream.Send(&sums.Number{Value: i})
	}
	return stream, err
}

type adder = grpc.ClientStreamingClient[sums.Number, sums.Number]

func TestReloadsUnderCallsOfGRPCFailNone(t *testing.T) {
	t.Parallel()
	h, plain, secure := serveSums(t, "")
	ctx := t.Context()
	load := harness.NewLoad(h)
	for name, c := range map[string]sums.SumsClient{"cleartext": plain, "TLS": secure} {
		load.Run(3, name+", one message each way", func() error {
			n, err := c.Divide(ctx, &sums.Division{Dividend: 84, Divisor: 2})
			if err == nil && n.Value != 42 {
				err = fmt.Errorf("%d", n.Value)
			}
			return err
		})
		load.Run(1, name+", many down", func() error {
			stream, err := c.Count(ctx, &sums.Number{Value: 1000})
			for want := int64(1); err == nil && want <= 1000; want++ {
				var n *sums.Number
				if n, err = stream.Recv(); err == nil && n.Value != want {
					err = fmt.Errorf("%d in place of %d", n.Value, want)
				}
			}
			if err == nil {
				if _, err = stream.Recv(); err == io.EOF {
					err = nil
				}
			}
			return err
		})
		load.Run(1, name+", many up", func() error {
			stream, err := add(ctx, c, 100)
			if err != nil {
				return err
			}
			n, err := stream.CloseAndRecv()
			if err == nil && n.Value != 5050 {
				err = fmt.Errorf("%d", n.Value)
			}
			return err
		})
		load.Run(1, name+", both ways, called again when it is asked for", func() error {
			stream, err := c.Total(ctx)
			for i := int64(1); err == nil && i <= 50; i++ {
				err = total(stream, 1, i)
			}
			if status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), "call again") {
				return nil
			}
			if err == nil {
				err = stream.CloseSend()
			}
			return err
		})
	}
	for range 4 {
		before := load.Served.Load()
		h.Reload()
		h.Eventually("calls are answered after the reload", func() bool { return load.Served.Load() > before+50 })
	}
	load.Stop()
}

func TestACallOfGRPCThatOutlastsTheDrainIsUnavailable(t *testing.T) {
	t.Parallel()
	h, plain, secure := serveSums(t, "drain_timeout = \"500ms\"\n")
	for _, c := range []sums.SumsClient{plain, secure} {
		stream, err := add(t.Context(), c, 1)
		harness.Must(t, err)
		harness.Must(t, total(must(c.Total(t.Context())), 1, 1)) // what came before has arrived
		h.Reload()
		if _, err := stream.CloseAndRecv(); status.Code(err) != codes.Unavailable {
			t.Error(err)
		}
	}
}

func TestACallOfGRPCWhoseWorkerDiesIsUnavailable(t *testing.T) {
	t.Parallel()
	h, plain, secure := serveSums(t, "")
	for _, c := range []sums.SumsClient{plain, secure} {
		early, err := add(t.Context(), c, 1) // nothing of its answer has come
		harness.Must(t, err)
		late := must(c.Total(t.Context()))
		harness.Must(t, total(late, 1, 1))
		p, err := os.FindProcess(h.PIDs()[0])
		harness.Must(t, err)
		harness.Must(t, p.Kill())
		if _, err := early.CloseAndRecv(); status.Code(err) != codes.Unavailable {
			t.Error("before its answer:", err)
		}
		if _, err := late.Recv(); status.Code(err) != codes.Unavailable {
			t.Error("in the midst of its answer:", err)
		}
		h.AwaitReady()
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

package ecosystem

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/nethttp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type message = wrapperspb.BytesValue

// methods are those of the server under test, by their names.
type methods map[string]func(grpc.ServerStream) error

// serve makes a gRPC server of them that is an http.Handler.
func (m methods) serve() http.Handler {
	return grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.UnknownServiceHandler(
		func(_ any, stream grpc.ServerStream) error {
			name, _ := grpc.MethodFromServerStream(stream)
			return m[strings.TrimPrefix(name, "/test/")](stream)
		}))
}

// call is one of a client's: what it sends and what comes back become lines.
type call struct {
	stream grpc.ClientStream
	lines  []string
}

func (c *call) note(format string, a ...any) { c.lines = append(c.lines, fmt.Sprintf(format, a...)) }

func (c *call) send(size int) {
	if err := c.stream.SendMsg(&message{Value: bytes.Repeat([]byte("x"), size)}); err != nil && err != io.EOF {
		c.note("send: %v", err)
	}
}

func (c *call) receive() bool {
	m := new(message)
	err := c.stream.RecvMsg(m)
	switch {
	case err == io.EOF:
		c.note("end")
	case err != nil:
		s := status.Convert(err)
		c.note("%v %q %v", s.Code(), s.Message(), s.Details())
	case len(m.Value) > 50:
		c.note("%d bytes", len(m.Value))
	default:
		c.note("%q", m.Value)
	}
	return err == nil
}

// all receives to the end, and then notes what stands around the messages.
func (c *call) all() {
	for c.receive() {
	}
	h, err := c.stream.Header()
	c.note("header %s %v", spelled(h), err)
	c.note("trailer %s", spelled(c.stream.Trailer()))
}

func spelled(md metadata.MD) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(md)) {
		if name != "date" {
			fmt.Fprintf(&b, " %s=%q", name, md[name])
		}
	}
	return b.String()
}

func sendBack(stream grpc.ServerStream) error {
	for {
		m := new(message)
		if err := stream.RecvMsg(m); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
}

func say(stream grpc.ServerStream, text string) error {
	return stream.SendMsg(&message{Value: []byte(text)})
}

var served = methods{
	"echo": sendBack,
	"metadata": func(stream grpc.ServerStream) error {
		got, _ := metadata.FromIncomingContext(stream.Context())
		for _, name := range []string{":authority", "user-agent", "content-type"} {
			if len(got[name]) != 1 {
				return fmt.Errorf("%s is %q", name, got[name])
			}
			delete(got, name)
		}
		stream.SetHeader(metadata.Pairs("a", "1", "a", "2", "raw-bin", "\x00\xff", "empty", ""))
		stream.SetTrailer(metadata.Pairs("t", "3", "t", "4", "raw-bin", "\x01\xfe", "later", "4"))
		return say(stream, spelled(got))
	},
	"headers-first": func(stream grpc.ServerStream) error {
		if err := stream.SendHeader(metadata.Pairs("early", "yes")); err != nil {
			return err
		}
		return sendBack(stream)
	},
	"refuse": func(stream grpc.ServerStream) error {
		s, err := status.New(codes.FailedPrecondition, "not now: é, % and \n").WithDetails(
			&errdetails.RetryInfo{}, &errdetails.ErrorInfo{Reason: "TEST", Domain: strings.Repeat("d", 5000)})
		if err != nil {
			return err
		}
		return s.Err()
	},
	"refuse-late": func(stream grpc.ServerStream) error {
		stream.SetTrailer(metadata.Pairs("t", "1"))
		if err := say(stream, "one"); err != nil {
			return err
		}
		return status.Error(codes.Aborted, "after one")
	},
	"refuse-unread": func(grpc.ServerStream) error { return status.Error(codes.PermissionDenied, "no") },
	"nothing":       func(grpc.ServerStream) error { return nil },
	"deadline": func(stream grpc.ServerStream) error {
		by, ok := stream.Context().Deadline()
		return say(stream, fmt.Sprint(ok && time.Until(by) < time.Hour))
	},
	"many": func(stream grpc.ServerStream) error {
		for n := range 1000 {
			if err := say(stream, fmt.Sprint(n, strings.Repeat("m", n*10))); err != nil {
				return err
			}
		}
		return nil
	},
}

// calls are what is compared, each by the name of its method up to a colon.
var calls = []struct {
	name string
	make func(c *call)
}{
	{"echo: one", func(c *call) { c.send(5); c.stream.CloseSend(); c.all() }},
	{"echo: in turn", func(c *call) {
		for n := range 20 {
			c.send(n)
			c.receive()
		}
		c.stream.CloseSend()
		c.all()
	}},
	{"echo: large", func(c *call) { c.send(20 << 20); c.stream.CloseSend(); c.all() }},
	{"echo: large ones", func(c *call) {
		go func() {
			for range 10 {
				c.stream.SendMsg(&message{Value: make([]byte, 3<<20)})
			}
			c.stream.CloseSend()
		}()
		c.all()
	}},
	{"echo: none", func(c *call) { c.stream.CloseSend(); c.all() }},
	{"metadata", func(c *call) { c.send(0); c.stream.CloseSend(); c.all() }},
	{"headers-first", func(c *call) {
		h, err := c.stream.Header() // before anything is sent
		c.note("%s %v", spelled(h), err)
		c.send(1)
		c.receive()
		c.stream.CloseSend()
		c.all()
	}},
	{"refuse", func(c *call) { c.send(1); c.stream.CloseSend(); c.all() }},
	{"refuse-late", func(c *call) { c.send(1); c.stream.CloseSend(); c.all() }},
	{"refuse-unread", func(c *call) { c.all() }},
	{"refuse-unread: large", func(c *call) { c.send(10 << 20); c.stream.CloseSend(); c.all() }},
	{"nothing", func(c *call) { c.all() }},
	{"deadline", func(c *call) { c.all() }},
	{"many", func(c *call) { c.stream.CloseSend(); c.all() }},
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func dialAll(t *testing.T, handler http.Handler) map[string]*grpc.ClientConn {
	return map[string]*grpc.ClientConn{"net/http": dial(t, nethttp.Plain(t, handler)),
		"the lane": dial(t, nethttp.Behind(t, handler, true)), "the host": dial(t, nethttp.Behind(t, handler, false))}
}

var bothWays = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

func TestAClientOfGRPCSeesOfAHandlerBehindTheHostWhatItSeesUnderNetHTTP(t *testing.T) {
	conns := dialAll(t, served.serve())
	ask := func(ctx context.Context, name string, q func(*call), conn *grpc.ClientConn) []string {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		ctx = metadata.AppendToOutgoingContext(ctx, "k", "1", "k", "2", "b-bin", "\x00\xff")
		method, _, _ := strings.Cut(name, ":")
		stream, err := conn.NewStream(ctx, bothWays, "/test/"+method)
		if err != nil {
			t.Fatal(err)
		}
		c := &call{stream: stream}
		q(c)
		return c.lines
	}
	for _, q := range calls {
		t.Run(q.name, func(t *testing.T) {
			want := ask(t.Context(), q.name, q.make, conns["net/http"])
			for name, conn := range conns {
				if got := ask(t.Context(), q.name, q.make, conn); !slices.Equal(got, want) {
					t.Errorf("%s: %.500q\nnet/http: %.500q", name, got, want)
				}
			}
		})
	}
}

func TestTheEndOfACallOfGRPCReachesItsHandler(t *testing.T) {
	begun, ended := make(chan bool), make(chan error)
	for name, conn := range dialAll(t, methods{"wait": func(stream grpc.ServerStream) error {
		begun <- true
		<-stream.Context().Done()
		ended <- stream.Context().Err()
		return nil
	}}.serve()) {
		call := func(ctx context.Context) {
			stream, err := conn.NewStream(ctx, bothWays, "/test/wait")
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(new(message)); err != nil { // the head goes out with it
				t.Fatal(err)
			}
			<-begun
		}
		ctx, cancel := context.WithCancel(t.Context())
		call(ctx)
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("%s: the client cancels: %v", name, err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
		call(ctx)
		if err := <-ended; err != context.DeadlineExceeded && err != context.Canceled { // whichever notices first
			t.Errorf("%s: the deadline passes: %v", name, err)
		}
		cancel()
	}
}

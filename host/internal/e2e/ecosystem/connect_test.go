package ecosystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/workerhost/workerhost/host/internal/e2e/nethttp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

func connectProgram() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/test/Unary", connect.NewUnaryHandler("/test/Unary",
		func(_ context.Context, r *connect.Request[text]) (*connect.Response[text], error) {
			if r.Msg.Value == "refuse" {
				return nil, refusal()
			}
			answer := connect.NewResponse(&text{Value: fmt.Sprint(len(r.Msg.Value), r.Header()["K"])})
			answer.Header().Set("A", "1")
			answer.Trailer().Set("T", "2")
			return answer, nil
		}, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
	mux.Handle("/test/Up", connect.NewClientStreamHandler("/test/Up",
		func(_ context.Context, s *connect.ClientStream[text]) (*connect.Response[text], error) {
			n := 0
			for s.Receive() {
				n += len(s.Msg().Value)
			}
			return connect.NewResponse(&text{Value: fmt.Sprint(n)}), s.Err()
		}))
	mux.Handle("/test/Down", connect.NewServerStreamHandler("/test/Down",
		func(_ context.Context, r *connect.Request[text], s *connect.ServerStream[text]) error {
			s.ResponseHeader().Set("A", "1")
			s.ResponseTrailer().Set("T", "2")
			for n := range 3 {
				if err := s.Send(&text{Value: fmt.Sprint(n, r.Msg.Value)}); err != nil {
					return err
				}
			}
			if r.Msg.Value == "refuse" {
				return refusal()
			}
			return nil
		}))
	mux.Handle("/test/Both", connect.NewBidiStreamHandler("/test/Both",
		func(_ context.Context, s *connect.BidiStream[text, text]) error {
			for {
				m, err := s.Receive()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err == nil {
					err = s.Send(m)
				}
				if err != nil {
					return err
				}
			}
		}))
	mux.Handle("/test/Wait", connect.NewUnaryHandler("/test/Wait",
		func(ctx context.Context, _ *connect.Request[text]) (*connect.Response[text], error) {
			by, ok := ctx.Deadline()
			return connect.NewResponse(&text{Value: fmt.Sprint(ok, time.Until(by) < time.Hour)}), nil
		}))
	return mux
}

func refusal() error {
	err := connect.NewError(connect.CodeFailedPrecondition, errors.New("not now: é"))
	if detail, e := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: "TEST"}); e == nil {
		err.AddDetail(detail)
	}
	err.Meta().Set("M", "3")
	return err
}

func TestRequestsOfConnectGetTheSameBehindTheHost(t *testing.T) {
	nethttp.Compare(t, connectProgram,
		nethttp.Question{Name: "one", Request: request("POST", "/test/Unary", `"hello"`, json)},
		nethttp.Question{Name: "by GET", Request: get("/test/Unary?connect=v1&encoding=json&message=%22hello%22")},
		nethttp.Question{Name: "refused", Request: request("POST", "/test/Unary", `"refuse"`, json)},
		nethttp.Question{Name: "gzip", Request: request("POST", "/test/Unary", `"hello"`, json, "Accept-Encoding: gzip")},
		nethttp.Question{Name: "other type", Request: request("POST", "/test/Unary", "a=1", form),
			Differs: "End of the connection"},
		nethttp.Question{Name: "other method", Request: get("/test/Down")},
		nethttp.Question{Name: "stream", Request: request("POST", "/test/Down", "\x00\x00\x00\x00\x07\"hello\"",
			"Content-Type: application/connect+json"), Differs: "Framing"},
		nethttp.Question{Name: "refused stream", Request: request("POST", "/test/Down",
			"\x00\x00\x00\x00\x08\"refuse\"", "Content-Type: application/connect+json"), Differs: "Framing"},
		nethttp.Question{Name: "gRPC-Web", Request: request("POST", "/test/Down", "\x00\x00\x00\x00\x07\x0a\x05hello",
			"Content-Type: application/grpc-web+proto"), Differs: "Framing"},
	)
}

// told is what a client is told of a call, in lines.
type told []string

func (l *told) note(what string, m *text, err error) {
	line := what
	var refused *connect.Error
	switch {
	case errors.Is(err, io.EOF):
		line += " end"
	case errors.As(err, &refused):
		line += fmt.Sprintf(" %v %q %d details %v", refused.Code(), refused.Message(), len(refused.Details()),
			refused.Meta()["M"])
	case err != nil:
		line += fmt.Sprint(" ", err)
	case m != nil:
		line += fmt.Sprintf(" %.50q of %d", m.Value, len(m.Value))
	}
	*l = append(*l, line)
}

func (l *told) around(header, trailer http.Header) {
	*l = append(*l, fmt.Sprint("header ", header["A"], " trailer ", trailer["T"]))
}

// talk makes calls of all kinds.
func talk(ctx context.Context, http2 bool, url string, options ...connect.ClientOption) (l told) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	client := func(method string) *connect.Client[text, text] {
		return connect.NewClient[text, text](&http.Client{Transport: transport}, url+"/test/"+method, options...)
	}
	for _, value := range []string{"hello", "refuse", strings.Repeat("x", 1<<20)} {
		r := connect.NewRequest(&text{Value: value})
		r.Header().Add("K", "1")
		r.Header().Add("K", "2")
		answer, err := client("Unary").CallUnary(ctx, r)
		if err == nil {
			l.around(answer.Header(), answer.Trailer())
			l.note("one", answer.Msg, nil)
		} else {
			l.note("one", nil, err)
		}
		down, err := client("Down").CallServerStream(ctx, connect.NewRequest(&text{Value: value}))
		for err == nil && down.Receive() {
			l.note("down", down.Msg(), nil)
		}
		if err == nil {
			l.note("down", nil, down.Err())
			l.around(down.ResponseHeader(), down.ResponseTrailer())
			down.Close()
		} else {
			l.note("down", nil, err)
		}
	}
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	answer, err := client("Wait").CallUnary(within, connect.NewRequest(&text{}))
	if err == nil {
		l.note("deadline", answer.Msg, nil)
	} else {
		l.note("deadline", nil, err)
	}
	up := client("Up").CallClientStream(ctx)
	for range 100 {
		up.Send(&text{Value: strings.Repeat("u", 10000)}) // what fails is told by the answer
	}
	if answer, err := up.CloseAndReceive(); err == nil {
		l.note("up", answer.Msg, nil)
	} else {
		l.note("up", nil, err)
	}
	if !http2 {
		return l
	}
	both := client("Both").CallBidiStream(ctx)
	for n := range 10 {
		err := both.Send(&text{Value: fmt.Sprint(n)})
		m, e := both.Receive()
		l.note("both", m, errors.Join(err, e))
	}
	both.CloseRequest()
	m, err := both.Receive()
	l.note("both", m, err)
	both.CloseResponse()
	return l
}

func TestAClientOfConnectSeesOfAHandlerBehindTheHostWhatItSeesUnderNetHTTP(t *testing.T) {
	addresses := map[string]string{"net/http": nethttp.Plain(t, connectProgram()),
		"the lane": nethttp.Behind(t, connectProgram(), true), "the host": nethttp.Behind(t, connectProgram(), false)}
	protocols := map[string][]connect.ClientOption{
		"Connect": nil, "Connect, JSON, gzip": {connect.WithProtoJSON(), connect.WithSendGzip()},
		"gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	}
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		for _, http2 := range []bool{false, true} {
			if name == "gRPC" && !http2 {
				continue // it takes HTTP/2
			}
			t.Run(fmt.Sprint(name, ", HTTP/2 ", http2), func(t *testing.T) {
				want := talk(t.Context(), http2, "http://"+addresses["net/http"], protocols[name]...)
				for server, address := range addresses {
					got := talk(t.Context(), http2, "http://"+address, protocols[name]...)
					if !slices.Equal(got, want) {
						t.Errorf("%s %.2000q\nnet/http %.2000q", server, got, want)
					}
				}
			})
		}
	}
}

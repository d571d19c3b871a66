// A gRPC server of grpc-go as a worker: `cd examples/grpc-go && host serve`. Clients of any language call it on
// 127.0.0.1:8080, in cleartext or over TLS, as the host listens. Without the host, `go run .` serves the same.
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/workerhost/workerhost/examples/grpc-go/sums"
	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	leaving, leave := context.WithCancel(context.Background())
	server := grpc.NewServer()
	sums.RegisterSumsServer(server, &calculator{leaving: leaving})
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "This is a gRPC server: sums/sums.proto says what it can be asked.\n")
	})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			server.ServeHTTP(w, r)
		} else {
			pages.ServeHTTP(w, r)
		}
	})
	// a stream counts as one request for as long as it lasts
	err := sdk.ListenAndServe("127.0.0.1:8080", handler, sdk.OnDrain(leave), sdk.WithConcurrency(1000))
	if err != nil {
		log.Fatal(err)
	}
}

// calculator implements the service.
type calculator struct {
	sums.UnimplementedSumsServer
	leaving context.Context // done when this worker is to leave
}

func (c *calculator) Divide(_ context.Context, d *sums.Division) (*sums.Number, error) {
	if d.Divisor == 0 {
		violation := &errdetails.BadRequest_FieldViolation{Field: "divisor", Description: "is 0"}
		refusal, err := status.New(codes.InvalidArgument, "nothing can be divided by 0").WithDetails(
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{violation}})
		if err != nil {
			return nil, err
		}
		return nil, refusal.Err()
	}
	return &sums.Number{Value: d.Dividend / d.Divisor}, nil
}

func (c *calculator) Count(upTo *sums.Number, stream grpc.ServerStreamingServer[sums.Number]) error {
	for n := range upTo.Value {
		if err := stream.Send(&sums.Number{Value: n + 1}); err != nil {
			return err
		}
	}
	return nil
}

func (c *calculator) Add(stream grpc.ClientStreamingServer[sums.Number, sums.Number]) error {
	sum := new(sums.Number)
	for {
		n, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(sum)
		}
		if err != nil {
			return err
		}
		sum.Value += n.Value
	}
}

// Total goes on for as long as the client likes. So that no reload has to cut it off, it asks the client to call again
// as soon as this worker is to leave: UNAVAILABLE is what clients try again by themselves.
func (c *calculator) Total(stream grpc.BidiStreamingServer[sums.Number, sums.Number]) error {
	type received struct {
		number *sums.Number
		err    error
	}
	numbers := make(chan received)
	go func() { // ends with the stream
		for {
			n, err := stream.Recv()
			select {
			case numbers <- received{n, err}:
			case <-stream.Context().Done():
			}
			if err != nil {
				return
			}
		}
	}()
	sum := new(sums.Number)
	for {
		select {
		case r := <-numbers:
			if r.err == io.EOF {
				return nil
			}
			if r.err != nil {
				return r.err
			}
			sum.Value += r.number.Value
			if err := stream.Send(sum); err != nil {
				return err
			}
		case <-c.leaving.Done():
			return status.Error(codes.Unavailable, "this server is being replaced: call again")
		}
	}
}

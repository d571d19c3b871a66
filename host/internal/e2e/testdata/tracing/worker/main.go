// A worker whose own OpenTelemetry goes on with the host's traces: by otelhttp for requests, and by the SDK's context
// for the messages of WebSockets.
package main

import (
	"context"
	"io"
	"log"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	exporter, err := otlptracehttp.New(context.Background()) // it heeds OTEL_EXPORTER_OTLP_ENDPOINT
	if err != nil {
		log.Fatal(err)
	}
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(exporter)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, span := otel.Tracer("shop").Start(r.Context(), "price")
		defer span.End()
		io.WriteString(w, "7.50\n")
	})
	onMessage := func(ctx context.Context, c *sdk.Conn, m sdk.Message) error {
		ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.MapCarrier(sdk.Trace(ctx)))
		_, span := otel.Tracer("shop").Start(ctx, "chat")
		defer span.End()
		return c.Send(m.Data)
	}
	w := sdk.Worker{Handler: otelhttp.NewHandler(page, "page"), OnMessage: onMessage}
	if err := w.Serve(); err != nil {
		log.Fatal(err)
	}
}

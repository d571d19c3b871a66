// The collector of OpenTelemetry, as far as it receives OTLP over HTTP at the address that is its argument. It writes
// each batch of spans to standard output, a line of OTLP's JSON each, until its input ends.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

func main() {
	if err := receive(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func receive(ctx context.Context, address string) error {
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	err := confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{"http": map[string]any{
		"endpoint": address}}}).Unmarshal(config)
	if err != nil {
		return err
	}
	out, err := consumer.NewTraces(func(_ context.Context, batch ptrace.Traces) error {
		line, err := new(ptrace.JSONMarshaler).MarshalTraces(batch)
		fmt.Println(string(line))
		return err
	})
	if err != nil {
		return err
	}
	r, err := factory.CreateTraces(ctx, receiver.Settings{
		ID: component.NewID(factory.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings(),
	}, config, out)
	if err != nil {
		return err
	}
	if err := r.Start(ctx, componenttest.NewNopHost()); err != nil {
		return err
	}
	io.Copy(io.Discard, os.Stdin)
	return r.Shutdown(ctx)
}

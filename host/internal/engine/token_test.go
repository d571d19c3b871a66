package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go/jetstream"
)

func FuzzTokensAreNamesAndNamesAreTokens(f *testing.F) {
	for _, name := range []string{"", "_", "a.b *>", "é", "_2e", "default"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		token := Token(name)
		for _, c := range token {
			if c != '_' && (c < '0' || c > 'z') {
				t.Fatalf("%q is %q", name, token)
			}
		}
		if got, ok := Name(token); !ok || got != name {
			t.Fatalf("%q is %q, and that is %q", name, token, got)
		}
		if back, ok := Name(name); ok && Token(back) != name {
			t.Fatalf("%q is the token of %q, whose token is %q", name, back, Token(back))
		}
	})
}

func TestWhatMayBeDoneTwiceOutlastsAnEngineThatMovesToTheNextHost(t *testing.T) {
	folder := t.TempDir()
	old, next := of(t, folder), of(t, folder)
	bucket(t, old)
	bucket(t, next)
	old.Yield()
	for _, e := range []*Engine{old, next} {
		err := e.Again(t.Context(), func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.KeyValue(ctx, "b")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	away := New(Settings{URL: "nats://127.0.0.1:1", Log: hclog.NewNullLogger()})
	t.Cleanup(away.Close)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := away.Again(ctx, nil); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
}

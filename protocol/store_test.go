package protocol

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestWhatIsAskedOfStoresAndLocksIsReadAsItWasAsked(t *testing.T) {
	v := Value{0xa1, 'v'}
	for _, c := range []StoreCall{
		{Method: CallStoreGet, Store: "s", Key: "k", TTL: OwnTTL},
		{Method: CallStoreGet, Store: "s", Key: "k", TTL: OwnTTL, Local: true},
		{Method: CallStoreSet, Store: "s", Key: "k", Value: v, TTL: OwnTTL},
		{Method: CallStoreSet, Store: "A-z_0.9", Key: strings.Repeat("k", MaxStoreKey), Value: v, TTL: 0},
		{Method: CallStoreAdd, Store: "s", Key: "\xff", Value: v, TTL: mostTTL},
		{Method: CallStoreCAS, Store: "s", Key: "k", Version: maxLong, Value: v, TTL: 1},
		{Method: CallStoreIncrement, Store: "s", Key: "k", By: -maxLong - 1, TTL: 5},
		{Method: CallStoreIncrement, Store: "s", Key: "k", By: 1, TTL: OwnTTL},
		{Method: CallStoreDelete, Store: "s", Keys: []string{"a", "b"}, TTL: OwnTTL},
		{Method: CallStoreGetMany, Store: "s", Keys: []string{"a"}, TTL: OwnTTL},
		{Method: CallStoreGetMany, Store: "s", Keys: []string{"a"}, TTL: OwnTTL, Local: true},
		{Method: CallStoreSetMany, Store: "s", Keys: []string{"a", "b"}, Values: []Value{v, {0xc0}}, TTL: 9},
		{Method: CallStoreScan, Store: "s", Prefix: "p", After: "pa", Limit: 3, TTL: OwnTTL},
		{Method: CallStoreClear, Store: "s", TTL: OwnTTL},
	} {
		got, err := ParseStore(c.Method, c.Arguments())
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v is read as\n%+v (%v)", c, got, err)
		}
	}
	got, err := ParseStore(CallStoreScan, dialArguments(t, "s", nil, nil))
	if err != nil || got.Limit != MaxStoreKeys {
		t.Errorf("%+v, %v", got, err)
	}
	for _, c := range []LockCall{
		{Method: CallLockAcquire, Name: "l", TTL: 1, Kind: KindDisk},
		{Method: CallLockAcquire, Name: "l", TTL: mostTTL, Wait: 5, Kind: KindMemory, Keep: true},
		{Method: CallLockRenew, Name: "l", Token: 1, TTL: 2, Kind: KindMemory},
		{Method: CallLockRelease, Name: "l", Token: maxLong, Kind: KindDisk},
	} {
		got, err := ParseLock(c.Method, c.Arguments())
		if err != nil || got != c {
			t.Errorf("%+v is read as\n%+v (%v)", c, got, err)
		}
	}
	short, err := ParseLock(CallLockAcquire, dialArguments(t, "l", 1))
	if err != nil || short.Kind != KindDisk || short.Wait != 0 || short.Keep {
		t.Errorf("%+v, %v", short, err)
	}
}

func TestWhatAStoreOrALockDoesNotTakeIsRefusedByName(t *testing.T) {
	big := bytes.Repeat([]byte{'v'}, MaxStoreValue)
	many := make([]string, MaxStoreKeys+1)
	for i := range many {
		many[i] = "k"
	}
	for _, c := range []struct {
		method string
		given  []any
		want   string
	}{
		{CallStoreGet, []any{"s"}, "1 arguments"},
		{CallStoreGet, []any{"", "k"}, "1 to 64"},
		{CallStoreGet, []any{strings.Repeat("s", MaxStoreName+1), "k"}, "1 to 64"},
		{CallStoreGet, []any{"a/b", "k"}, `"a/b"`},
		{CallStoreGet, []any{"s", ""}, "1 to 1024"},
		{CallStoreGet, []any{"s", 7}, "text"},
		{CallStoreGet, []any{"s", strings.Repeat("k", MaxStoreKey+1)}, "1 to 1024"},
		{CallStoreGet, []any{"s", "k", 1}, "true or false"},
		{CallStoreGet, []any{"s", "k", false, 1}, "4 arguments"},
		{CallStoreSet, []any{"s", "k"}, "2 arguments"},
		{CallStoreSet, []any{"s", "k", 1, -1}, "from 0"},
		{CallStoreSet, []any{"s", "k", 1, mostTTL + 1}, "from 0"},
		{CallStoreSet, []any{"s", "k", big}, "too large"},
		{CallStoreCAS, []any{"s", "k", -1, 1}, "from 0"},
		{CallStoreDelete, []any{"s", "k"}, "list"},
		{CallStoreDelete, []any{"s", many}, "1000 keys"},
		{CallStoreDelete, []any{"s", []string{""}}, "1 to 1024"},
		{CallStoreSetMany, []any{"s", []any{"a"}}, "by turns"},
		{CallStoreSetMany, []any{"s", []any{"a", big}}, `of "a"`},
		{CallStoreScan, []any{"s", "", "", 0}, "from 1"},
		{CallLockAcquire, []any{"l"}, "1 arguments"},
		{CallLockAcquire, []any{"", 1}, "1 to 1024"},
		{CallLockAcquire, []any{"l", 0}, "from 1"},
		{CallLockAcquire, []any{"l", 1, 0, "disk", 1}, "true or false"},
		{CallLockRenew, []any{"l", 1}, "2 arguments"},
		{CallLockRelease, []any{"l", 0}, "from 1"},
	} {
		var err error
		if IsLockMethod(c.method) {
			_, err = ParseLock(c.method, dialArguments(t, c.given...))
		} else {
			_, err = ParseStore(c.method, dialArguments(t, c.given...))
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%.40v: %v", c.method, c.given, err)
		}
		if large := strings.Contains(c.want, "large") || c.want == `of "a"`; large != errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", c.method, err)
		}
	}
}

func TestWhatAStoreAnswersIsRead(t *testing.T) {
	v, version, there, err := ParseStored(AppendStored(nil, Value{0xc3}, 7))
	if err != nil || !there || version != 7 || !bytes.Equal(v, Value{0xc3}) {
		t.Error(v, version, there, err)
	}
	if _, _, there, err := ParseStored(Value{0xc0}); there || err != nil {
		t.Error(there, err)
	}
	for _, broken := range []Value{{0x91, 1}, {0x01}, {0x92, 1, 0xa0}} {
		if _, _, _, err := ParseStored(broken); err == nil {
			t.Errorf("% x is none", broken)
		}
	}
	all, err := ParseStoredList(append(AppendStored(AppendList(nil, 2), Value{0x01}, 1), 0xc0))
	if err != nil || len(all) != 2 || len(all[0]) != 3 || all[1][0] != 0xc0 {
		t.Error(all, err)
	}
	for v, want := range map[string]bool{"\x07": true, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff": false, "\xa1v": false,
		"\xd3\x80\x00\x00\x00\x00\x00\x00\x00": true, "": false} {
		if n, ok := Value(v).Int(); ok != want || ok && !bytes.Equal(IntValue(n), []byte(v)) {
			t.Errorf("%x: %d, %t", v, n, ok)
		}
	}
}

func FuzzTheArgumentsOfStoresAndLocksAreReadOrRefused(f *testing.F) {
	set := StoreCall{Method: CallStoreSetMany, Store: "s", Keys: []string{"a"}, Values: []Value{{0x01}}, TTL: 1}
	f.Add(CallStoreSetMany, []byte(AppendList(nil, 3)), []byte(bytes.Join([][]byte{set.Arguments()[0],
		set.Arguments()[1], set.Arguments()[2]}, nil)))
	f.Add(CallLockAcquire, []byte("\xa1l"), []byte("\x05"))
	f.Fuzz(func(t *testing.T, method string, one, other []byte) {
		var given []Value
		for _, b := range [][]byte{one, other} {
			for d := (decoder{b: b}); d.left() > 0; {
				start := d.pos
				if d.skip(1); d.err != nil {
					return
				}
				given = append(given, Value(b[start:d.pos]))
			}
		}
		if IsLockMethod(method) {
			if c, err := ParseLock(method, given); err == nil {
				if again, err := ParseLock(method, c.Arguments()); err != nil || again != c {
					t.Fatalf("%+v is %+v, %v", c, again, err)
				}
			}
		} else if IsStoreMethod(method) {
			if c, err := ParseStore(method, given); err == nil {
				if again, err := ParseStore(method, c.Arguments()); err != nil || again.Key != c.Key ||
					again.TTL != c.TTL || len(again.Keys) != len(c.Keys) {
					t.Fatalf("%+v is %+v, %v", c, again, err)
				}
			}
		}
	})
}

//go:build unix

package deploy

import (
	"testing"
)

func TestAReleaseThatWasRemovedHasNoNamesake(t *testing.T) {
	l := lock(t, testPlace(t))
	ready(t, l)
	begin(t, l)
	for range 2 { // the second one has nothing to remove
		if _, _, err := l.Mend(none); err != nil {
			t.Fatal(err)
		}
		l.Close()
		l = lock(t, l.Place)
	}
	if next := begin(t, l); next.Number != 3 {
		t.Errorf("the next is %d", next.Number)
	}
}

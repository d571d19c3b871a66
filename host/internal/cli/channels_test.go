package cli

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestTheStatusSaysOfChannelsWhatThereIs(t *testing.T) {
	for want, c := range map[string]*control.Channels{
		"":                            {Kept: &control.KeptMessages{}},
		"1 message of 1 channel kept": {Kept: &control.KeptMessages{Channels: 1, Messages: 1}},
		"3 members in 2 rooms":        {Rooms: 2, Members: 3},
		"9 messages of 2 channels kept, 1 member in 1 room, 5 clients came back, 1 of them may have missed " +
			"something, 1 commit could not be kept": {Kept: &control.KeptMessages{Channels: 2, Messages: 9},
			Rooms: 1, Members: 1,
			Returned: 5, Lost: 1, Failed: 1},
	} {
		if got := ofChannels(c); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if got := ofChannels(nil); got != "" {
		t.Error(got)
	}
}

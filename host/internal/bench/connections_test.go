package main

import "testing"

func TestEveryLongLivedGoalIsHeldAgainstItsOwnProtocol(t *testing.T) {
	for protocol, want := range map[string]float64{"websocket": 10240, "tcp": 7168} {
		if got := (idleCost{Protocol: protocol}).goal(); got != want {
			t.Errorf("%s: at most %v bytes, want %v", protocol, got, want)
		}
	}
}

func TestASeriesOfEchoesIsItsMedianAndItsWorstMoment(t *testing.T) {
	s := talk{Broadcast: series{Rounds: []exchanged{{CPU: 9, Last: 50, Latest: 60, Messages: 1},
		{CPU: 3, Last: 70, Latest: 900, Messages: 2}, {CPU: 4, Last: 60, Latest: 80, Messages: 4}}}}
	s.sum()
	if want := (exchanged{CPU: 4, Last: 60, Latest: 900, Messages: 7}); s.Broadcast.Median != want {
		t.Fatalf("got %+v, want %+v", s.Broadcast.Median, want)
	}
}

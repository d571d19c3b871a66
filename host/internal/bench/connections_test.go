package main

import (
	"slices"
	"testing"
)

func TestARatioOfTheRunHasItsGoalWhereBothServersWereMeasured(t *testing.T) {
	server := func(name string, us ...float64) measuredServer {
		s := measuredServer{Name: name}
		for _, each := range us {
			s.Rounds = append(s.Rounds, measurement{CPU: each})
		}
		return s
	}
	r := report{Servers: []measuredServer{server("host, hello-php", 30, 60, 40), server("workerman 5", 20, 30, 30),
		server("nginx + php-fpm", 300, 300, 200), server("another", 0, 60, 80)}}
	r.compare(cast{name: map[string]string{"hello-php": "host, hello-php", "nginx": "nginx + php-fpm"}})
	want := []goal{
		{"CPU per request, host, hello-php ÷ workerman 5", 1.5, 1.2},
		{"CPU per request, host, hello-php ÷ nginx + php-fpm", 0.2, 0.25},
	}
	if !slices.Equal(r.Goals, want) {
		t.Errorf("got %+v, want %+v", r.Goals, want)
	}
	if got := r.Servers[3].Ratio; got != 0.75 { // of the rounds that have one
		t.Errorf("the host takes %v times what another takes, want 0.75", got)
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

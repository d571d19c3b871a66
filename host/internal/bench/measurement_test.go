package main

import "testing"

func TestTheMedianIgnoresOneNoisyRound(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{30, 20}, 25},
		{[]float64{21, 900, 20}, 21},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: got %v, want %v", c.values, got, c.want)
		}
	}
}

func TestASummaryHidesNoErrorAndNoMemoryPeak(t *testing.T) {
	s := summary([]measurement{
		{CPU: 20, Rate: 100, Memory: 10, Requests: 5},
		{CPU: 40, Rate: 300, Memory: 90, Requests: 6, NonOK: 2, WholePages: true},
		{CPU: 30, Rate: 200, Memory: 20, Requests: 7, Socket: 1},
	})
	want := measurement{CPU: 30, Rate: 200, Memory: 90, Requests: 18, NonOK: 2, Socket: 1, WholePages: true}
	if s != want {
		t.Fatalf("got %+v, want %+v", s, want)
	}
}

func TestATargetNamesAServerAndItsProcesses(t *testing.T) {
	for text, want := range map[string]server{
		"workerman=http://127.0.0.1:81/,42": {name: "workerman", url: "http://127.0.0.1:81/",
			family: family{host: 42}},
		"nginx=http://127.0.0.1:82/a=b,42,43": {name: "nginx", url: "http://127.0.0.1:82/a=b", family: family{42, 43}},
	} {
		if got, err := parseTarget(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a", "a=http://x/", "=http://x/,1", "a=x,1", "a=http://x/,me", "a=http://x/,0",
		"a=http://x/,1,2,3"} {
		if got, err := parseTarget(text); err == nil {
			t.Errorf("%q: got %+v and no error", text, got)
		}
	}
}

//go:build linux

package soak

import (
	"math"
	"testing"
	"time"
)

func TestSlope(t *testing.T) {
	var s series
	for i := range 100 {
		s.add(time.Duration(i)*time.Second, 7+float64(i)/60*2+float64(i%2)) // 2 a minute, and noise
	}
	if got := s.slope(); math.Abs(got-2) > 0.1 {
		t.Errorf("the slope is %.3f; expected about 2", got)
	}
	if got := new(series).slope(); got != 0 {
		t.Errorf("the slope of nothing is %.3f", got)
	}
}

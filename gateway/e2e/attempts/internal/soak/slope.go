//go:build linux

package soak

import "time"

// series is a figure over time.
type series struct {
	name, unit string
	at         []float64 // minutes
	values     []float64
}

func (s *series) add(at time.Duration, value float64) {
	s.at, s.values = append(s.at, at.Minutes()), append(s.values, value)
}

// slope returns how much the figure grows a minute, by least squares. The first tenth is left out, when everything is
// new.
func (s *series) slope() float64 {
	at, values := s.at[len(s.at)/10:], s.values[len(s.values)/10:]
	n := float64(len(at))
	var sumX, sumY, sumXX, sumXY float64
	for i, x := range at {
		sumX, sumY = sumX+x, sumY+values[i]
		sumXX, sumXY = sumXX+x*x, sumXY+x*values[i]
	}
	if below := n*sumXX - sumX*sumX; below != 0 {
		return (n*sumXY - sumX*sumY) / below
	}
	return 0
}

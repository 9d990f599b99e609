package svg

import "math"

// Line is one line; each value is drawn over the label of the same index.
type Line struct {
	Label  string
	Values []float64 // greater than 0
	Color  string
}

const (
	plotLeft   = 90.0
	plotRight  = 190.0 // for the legend
	plotHeight = 320.0
)

// Lines draws lines over labels. The vertical axis is logarithmic, from a power of ten below the smallest value to one
// above the largest. tick returns the text at each power of ten.
func Lines(h Heading, labels []string, lines []Line, tick func(float64) string) string {
	c := &canvas{width: width, height: top + plotHeight + 30 + footer}
	c.heading(h)
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, v := range l.Values {
			low, high = min(low, math.Log10(v)), max(high, math.Log10(v))
		}
	}
	low, high = math.Floor(low), math.Ceil(high)
	if high == low {
		high++
	}
	x := func(i int) float64 {
		return plotLeft + (float64(i)+0.5)*(width-plotLeft-plotRight)/float64(len(labels))
	}
	y := func(log float64) float64 { return top + plotHeight*(high-log)/(high-low) }
	for power := low; power <= high; power++ {
		c.line(plotLeft, y(power), width-plotRight, y(power), grid)
		c.text(plotLeft-10, y(power)+4, style{end, pale, 13, false}, tick(math.Pow(10, power)))
	}
	for i, label := range labels {
		c.text(x(i), top+plotHeight+24, style{middle, ink, 13, false}, label)
	}
	for n, l := range lines {
		var points [][2]float64
		for i, v := range l.Values {
			points = append(points, [2]float64{x(i), y(math.Log10(v))})
		}
		c.polyline(points, l.Color)
		row := top + 12 + float64(n)*barStep
		c.rect(width-plotRight+20, row-10, 14, 14, l.Color)
		c.text(width-plotRight+42, row+2, style{start, ink, 13, false}, l.Label)
	}
	return c.file(h.Title)
}

// Package svg draws bars and lines as plain SVG files. Their page is white, so that they read the same on a light and
// on a dark site, and they need no script, style sheet or font.
package svg

import (
	"fmt"
	"html"
	"strings"
)

// The colours of everything but data.
const (
	ink  = "#24292f"
	pale = "#57606a"
	grid = "#d0d7de"
)

// canvas collects the elements of a picture.
type canvas struct {
	width, height float64
	body          strings.Builder
}

func (c *canvas) rect(x, y, width, height float64, fill string) {
	fmt.Fprintf(&c.body, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2" fill="%s"/>`+"\n", x, y, width, height,
		html.EscapeString(fill))
}

func (c *canvas) line(x1, y1, x2, y2 float64, stroke string) {
	fmt.Fprintf(&c.body, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2,
		html.EscapeString(stroke))
}

// polyline joins points, and marks each with a dot.
func (c *canvas) polyline(points [][2]float64, stroke string) {
	var path strings.Builder
	for _, p := range points {
		fmt.Fprintf(&path, "%.1f,%.1f ", p[0], p[1])
	}
	fmt.Fprintf(&c.body, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n",
		strings.TrimSpace(path.String()), html.EscapeString(stroke))
	for _, p := range points {
		fmt.Fprintf(&c.body, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", p[0], p[1], html.EscapeString(stroke))
	}
}

// The anchors of a text: the part of the text that its x places.
const start, middle, end = "start", "middle", "end"

// style is the look of a text.
type style struct {
	anchor, fill string
	size         float64
	bold         bool
}

func (c *canvas) text(x, y float64, s style, text string) {
	weight := "normal"
	if s.bold {
		weight = "bold"
	}
	fmt.Fprintf(&c.body,
		`<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%g" font-weight="%s" fill="%s">%s</text>`+"\n",
		x, y, s.anchor, s.size, weight, html.EscapeString(s.fill), html.EscapeString(text))
}

// file returns the picture as a file. A screen reader reads the title.
func (c *canvas) file(title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" `+
		`role="img" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif">
<title>%s</title>
<rect width="100%%" height="100%%" rx="6" fill="#ffffff"/>
%s</svg>
`, c.width, c.height, c.width, c.height, html.EscapeString(title), c.body.String())
}

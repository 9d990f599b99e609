package svg

// Bar is one bar.
type Bar struct {
	Label string // text before the bar
	Value float64
	Text  string // text after the bar: the value and a remark
	Color string
}

// Group is a set of bars on one scale, one below the other.
type Group struct {
	Title string
	Bars  []Bar
}

const (
	width     = 860.0
	margin    = 24.0
	labels    = 140.0 // for the labels of bars
	texts     = 190.0 // for the texts after bars
	barHeight = 18.0
	barStep   = 24.0
	headStep  = 34.0
	top       = 76.0
	footer    = 48.0 // for the source line
)

// Bars draws groups of horizontal bars, each group on a scale of its own that begins at 0. Values must be finite and
// not negative.
func Bars(h Heading, groups []Group) string {
	height := top
	for _, g := range groups {
		height += headStep + barStep*float64(len(g.Bars))
	}
	c := &canvas{width: width, height: height + footer}
	c.heading(h)
	y := top
	for _, g := range groups {
		c.text(margin, y+18, style{start, ink, 14, true}, g.Title)
		y += headStep
		largest := 0.0
		for _, b := range g.Bars {
			largest = max(largest, b.Value)
		}
		for _, b := range g.Bars {
			c.bar(y-4, b, largest)
			y += barStep
		}
	}
	return c.file(h.Title)
}

// Heading has the texts around a picture.
type Heading struct {
	Title    string
	Subtitle string // below the title: how to read the picture
	Source   string // at the foot: the source of the figures
}

func (c *canvas) heading(h Heading) {
	c.text(margin, 34, style{start, ink, 18, true}, h.Title)
	c.text(margin, 56, style{start, pale, 13, false}, h.Subtitle)
	c.text(margin, c.height-16, style{start, pale, 12, false}, h.Source)
}

func (c *canvas) bar(y float64, b Bar, largest float64) {
	const left = margin + labels
	length := 1.0 // even a value of 0 is visible
	if largest > 0 {
		length = max(length, b.Value/largest*(width-left-texts-margin))
	}
	c.text(left-10, y+barHeight-4.5, style{end, ink, 13, false}, b.Label)
	c.rect(left, y, length, barHeight, b.Color)
	c.text(left+length+8, y+barHeight-4.5, style{start, ink, 13, false}, b.Text)
}

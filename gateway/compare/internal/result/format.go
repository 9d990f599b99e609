package result

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unknown stands for a figure that was not measured.
const unknown = "-"

// count returns a whole number with commas.
func count(x float64) string {
	if math.IsNaN(x) {
		return unknown
	}
	digits := fmt.Sprintf("%.0f", math.Abs(x))
	var b strings.Builder
	if math.Round(x) < 0 {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// duration returns seconds with three digits and their unit.
func duration(seconds float64) string {
	if math.IsNaN(seconds) {
		return unknown
	}
	for _, u := range []struct {
		unit string
		size float64
	}{{"s", 1}, {"ms", 1e-3}, {"µs", 1e-6}} {
		if seconds >= 0.9995*u.size {
			return three(seconds/u.size) + " " + u.unit
		}
	}
	return three(seconds*1e9) + " ns"
}

// three returns a number with three digits, or with all digits before the point when there are more.
func three(x float64) string {
	switch {
	case x >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

func ratio(x float64) string {
	if math.IsNaN(x) {
		return unknown
	}
	return three(x)
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func percent(x float64) string {
	if math.IsNaN(x) {
		return unknown
	}
	return fmt.Sprintf("%.0f %%", 100*x)
}

func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

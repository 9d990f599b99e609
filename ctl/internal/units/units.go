// Package units writes sizes and durations for people and for flags, and reads sizes.
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// HumanBytes shows a size for people: 512B, 1.5KiB, 20MiB.
func HumanBytes(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	value, units := float64(n)/1024, "KMGTPE"
	// 1023.95 and more would be printed as 1024.0 of the unit below.
	for value >= 1023.95 && len(units) > 1 {
		value, units = value/1024, units[1:]
	}
	text := strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0")
	return text + units[:1] + "iB"
}

// ExactBytes shows a size in the largest unit that divides it, so that ParseBytes reads the same number: 64KiB,
// 1000B.
func ExactBytes(n uint64) string {
	suffixes := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	at := 0
	for n > 0 && n%1024 == 0 && at < len(suffixes)-1 {
		n, at = n/1024, at+1
	}
	return strconv.FormatUint(n, 10) + suffixes[at]
}

// ParseBytes reads a size: 65536, 64KiB, 1MiB. As with the gateway's flags, K, KB and KiB all mean 1,024.
func ParseBytes(text string) (uint64, error) {
	digits := strings.TrimRight(text, "BKMGTikbmgt")
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text[len(digits):]), "B"), "I")
	power := strings.Index(" KMGT", unit)
	if unit == "" {
		power = 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
	if err != nil || power < 0 || len(unit) > 1 || n > math.MaxInt64>>(10*power) {
		return 0, fmt.Errorf("%.100q is not a number of bytes; expected for example 65536, 64KiB or 1MiB", text)
	}
	return n << (10 * power), nil
}

// ExactDuration shows a duration without loss and without units that are zero: 5m, 1h30m, 250ms.
func ExactDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// HumanDuration shows a duration for people, with at most two units: 250ms, 3m12s, 5h2m, 3d4h.
func HumanDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + HumanDuration(-d)
	case d == 0:
		return "0s"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	seconds := int64(d.Round(time.Second) / time.Second)
	switch {
	case seconds < 60:
		return units(seconds, 's', 0, 0)
	case seconds < 3600:
		return units(seconds/60, 'm', seconds%60, 's')
	case seconds < 24*3600:
		return units(seconds/3600, 'h', seconds%3600/60, 'm')
	default:
		return units(seconds/86400, 'd', seconds%86400/3600, 'h')
	}
}

func units(major int64, majorUnit rune, minor int64, minorUnit rune) string {
	if minor == 0 {
		return fmt.Sprintf("%d%c", major, majorUnit)
	}
	return fmt.Sprintf("%d%c%d%c", major, majorUnit, minor, minorUnit)
}

// DurationText shows a duration field; empty if it is absent.
func DurationText(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	return HumanDuration(d.AsDuration())
}

package daemon

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag's number of bytes: `65536`, `64KiB`, `1MiB`. K, KB and KiB all mean 1,024.
type byteSize int

var byteUnits = []struct {
	suffix string
	bytes  int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// byteScales maps each spelling of a unit, in lower case, to its bytes.
var byteScales = map[string]int{
	"": 1, "b": 1,
	"k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10,
	"m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
	"g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30,
}

// String returns the size in the largest unit that divides it.
func (b *byteSize) String() string {
	for _, u := range byteUnits {
		if n := int(*b); n != 0 && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.suffix
		}
	}
	return strconv.Itoa(int(*b))
}

// Set implements pflag.Value.
func (b *byteSize) Set(text string) error {
	digits := strings.TrimRight(text, "BKMGikbmg")
	scale := byteScales[strings.ToLower(text[len(digits):])]
	n, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil || scale == 0 || n < 0 || n > math.MaxInt/2/scale {
		return fmt.Errorf("%.100q is not a number of bytes; expected for example 65536, 64KiB or 1MiB", text)
	}
	*b = byteSize(n * scale)
	return nil
}

// Type implements pflag.Value. It returns the word for a value in the help.
func (b *byteSize) Type() string { return "bytes" }

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

// String returns the size in the largest unit that divides it.
func (b *byteSize) String() string {
	for _, u := range byteUnits {
		if n := int(*b); n != 0 && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.suffix
		}
	}
	return strconv.Itoa(int(*b))
}

// Set reads a size.
func (b *byteSize) Set(text string) error {
	digits := strings.TrimRight(text, "BKMGikbmg")
	unit := strings.ToUpper(strings.TrimRight(text[len(digits):], "iBb"))
	scale := map[string]int{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[unit]
	n, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil || scale == 0 || n < 0 || n > math.MaxInt/2/scale {
		return fmt.Errorf("%q is not a number of bytes; expected for example 65536, 64KiB or 1MiB", text)
	}
	*b = byteSize(n * scale)
	return nil
}

// Type is what the help calls it.
func (b *byteSize) Type() string { return "bytes" }

package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
)

// patternPeriod is a prime, so that messages of nearly every size differ from each other for a long time.
const patternPeriod = 65521

// pattern is an endless sequence of bytes. Each connection sends its own part of it: bytes that are lost, doubled,
// out of order or of another connection do not compare equal. All connections share one copy, and nothing is copied
// to send or compare.
type pattern struct{ twice []byte }

// newPattern makes the pattern, which is the same in every run.
func newPattern() pattern {
	random := rand.NewChaCha8([32]byte{'s', 'o', 'c', 'k', 'g', 'a', 't', 'e'})
	twice := make([]byte, 2*patternPeriod)
	_, _ = random.Read(twice[:patternPeriod]) // never fails
	copy(twice[patternPeriod:], twice[:patternPeriod])
	return pattern{twice}
}

// at returns up to n bytes from offset on; at least one.
func (p pattern) at(offset int64, n int64) []byte {
	from := offset % patternPeriod
	return p.twice[from : from+min(n, patternPeriod)]
}

// write writes n bytes from offset on.
func (p pattern) write(w io.Writer, offset, n int64) error {
	for n > 0 {
		wrote, err := w.Write(p.at(offset, n))
		if err != nil {
			return err
		}
		offset, n = offset+int64(wrote), n-int64(wrote)
	}
	return nil
}

// check compares received bytes with the pattern from offset on.
func (p pattern) check(offset int64, received []byte) error {
	for len(received) > 0 {
		want := p.at(offset, int64(len(received)))
		if !bytes.Equal(want, received[:len(want)]) {
			return difference(want, received)
		}
		offset, received = offset+int64(len(want)), received[len(want):]
	}
	return nil
}

func difference(want, received []byte) error {
	for i := range want {
		if want[i] != received[i] {
			return &mismatchError{fmt.Sprintf("0x%02x came where 0x%02x was expected (after %d right bytes here)", received[i],
				want[i], i)}
		}
	}
	return nil
}

// mismatchError says that the received bytes are not the sent ones.
type mismatchError struct{ text string }

func (e *mismatchError) Error() string { return e.text }

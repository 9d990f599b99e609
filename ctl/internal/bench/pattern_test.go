package bench

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	p := newPattern()
	var b strings.Builder
	if err := p.write(&b, 65500, 3*patternPeriod); err != nil || b.Len() != 3*patternPeriod {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
	if err := p.check(65500, []byte(b.String())); err != nil {
		t.Error(err)
	}
	if err := p.check(65501, []byte(b.String())); err == nil {
		t.Error("the pattern equals itself one byte further on")
	}
	if err := p.check(0, []byte{p.twice[0], p.twice[1] ^ 0xff}); err == nil ||
		!strings.Contains(err.Error(), "after 1 right bytes") {
		t.Errorf("%v", err)
	}
}

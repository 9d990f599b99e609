package bench

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	p := NewPattern()
	var b strings.Builder
	if err := p.Write(&b, 65500, 3*PatternPeriod); err != nil || b.Len() != 3*PatternPeriod {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
	if err := p.Check(65500, []byte(b.String())); err != nil {
		t.Error(err)
	}
	if err := p.Check(65501, []byte(b.String())); err == nil {
		t.Error("the pattern equals itself one byte further on")
	}
	if err := p.Check(0, []byte{p.Twice[0], p.Twice[1] ^ 0xff}); err == nil || !strings.Contains(err.Error(), "after 1 right bytes") {
		t.Errorf("%v", err)
	}
}

package ban

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// TestSilentDiskHoldsBytes holds that the changes that wait for a disk have a bound in bytes too: a line may have
// several kilobytes.
func TestSilentDiskHoldsBytes(t *testing.T) {
	k := &keeper{wake: make(chan struct{}, 1)} // nothing is ever written
	name := strings.Repeat("\x01", event.MaxIdentity)
	for range Max {
		b, err := New(Target{identity: name}, 0, "", event.Actor{Identity: name})
		if err != nil {
			t.Fatal(err)
		}
		k.owe(b.lines())
		held := 0
		for _, c := range k.next.changes {
			held += len(c.line)
		}
		if held > maxBytes {
			t.Fatalf("%d changes hold %d bytes; expected at most %d", k.next.size(), held, maxBytes)
		}
	}
}

// TestFileThatCannotBeRewritten holds that a file that only takes lines never grows beyond what the next start reads:
// it would lose all bans. The caller of the first line too many is told that it is not kept.
func TestFileThatCannotBeRewritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans")
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.close() })
	if err := f.rewrite(Encode(nil)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(path+".new/full", 0o700); err != nil {
		t.Fatal(err)
	}
	line := newBan(t, "10.0.0.1", 0).line()
	f.size, f.fullAt = int64(maxFile-3*len(line)-1), int64(maxFile-3*len(line)-1)
	for kept := 0; ; kept++ {
		var rows []*Ban
		if f.full(len(line)) {
			rows = []*Ban{}
		}
		err := f.keep(line, rows)
		switch {
		case f.size > maxFile:
			t.Fatalf("it has %d bytes; a start reads %d", f.size, maxFile)
		case err != nil && kept == 3:
			return
		case err != nil:
			t.Fatalf("after %d lines: %v", kept, err)
		}
	}
}

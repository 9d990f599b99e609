package proc

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0 5 0 100 1000 200\n"
	for _, name := range []string{"gateway", "a b", "a) S 9 9 (b", ") (", "(((", ")"} {
		user, system, err := parseStat([]byte("42 (" + name + ")" + rest))
		if err != nil || user != 2500*time.Millisecond || system != 310*time.Millisecond {
			t.Errorf("of a program named %q: %s and %s, %v; expected 2.5 s and 310 ms", name, user, system, err)
		}
	}
	for _, bad := range []string{"", "42 gateway S 1", "42 (gateway) S 1 2", "42 (x) S 1 2 3 4 5 6 7 8 9 10 many 31 0"} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseResident(t *testing.T) {
	const rollup = "5650-7ffd ---p 00000000 00:00 0 [rollup]\n" +
		"Rss:                3284 kB\nPss:                1000 kB\nPss_Dirty: 1 kB\n"
	if n, err := parseResident([]byte(rollup)); n != 3284<<10 || err != nil {
		t.Errorf("%d, %v; expected 3284 KiB", n, err)
	}
	if _, err := parseResident([]byte("Pss: 1 kB\n")); err == nil {
		t.Error("a text without Rss was taken")
	}
}

// TestReadOfAProcess reads this process, and holds that the two sources of its processor time agree.
func TestReadOfAProcess(t *testing.T) {
	before, err := ReadCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	var used CPU
	for used.Total < 200*time.Millisecond { // busy
		now, err := ReadCPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		used = now.Since(before)
	}
	if apart := used.Total - used.User - used.System; apart < -2*Tick || apart > 2*Tick {
		t.Errorf("the CPU clock says %s, utime and stime %s and %s", used.Total, used.User, used.System)
	}
	if n, err := ReadResident(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("resident: %d, %v", n, err)
	}
	n, err := Descriptors(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if more, err := Descriptors(os.Getpid()); more != n+1 || err != nil {
		t.Errorf("%d descriptors, and after opening one more %d, %v", n, more, err)
	}
}

func TestParseCores(t *testing.T) {
	for text, want := range map[string]string{"0": "0", "2,0": "0,2", "0-3": "0,1,2,3", "1,1-2": "1,2"} {
		if got, err := ParseCores(text); got.String() != want || err != nil {
			t.Errorf("%s: %s, %v; expected %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "a", "1-", "-1", "3-1", "1;2", "0-99999999999"} {
		if got, err := ParseCores(bad); err == nil {
			t.Errorf("%q was taken as %s", bad, got)
		}
	}
}

func TestParseBusy(t *testing.T) {
	const stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 4 1000 1000 8 16 32 64 128\ncpu10 7 0 0 0 0 0 0 0\n" +
		"cpu1 100 0 0 5 0 0 0 0 0 0\nintr 1\n"
	for _, c := range []struct {
		cores Cores
		want  time.Duration
	}{{Cores{0}, 63 * Tick}, {Cores{1}, 100 * Tick}, {Cores{0, 10}, 70 * Tick}} {
		if got, err := parseBusy(stat, c.cores); got != c.want || err != nil {
			t.Errorf("cores %s: %s, %v; expected %s", c.cores, got, err, c.want)
		}
	}
	for _, cores := range []Cores{{2}, {0, 3}} {
		if got, err := parseBusy(stat, cores); err == nil {
			t.Errorf("cores %s, one of which is not there: %s", cores, got)
		}
	}
	if n, err := ReadBusy(Cores{0}); n <= 0 || err != nil {
		t.Errorf("of this machine: %s, %v", n, err)
	}
}

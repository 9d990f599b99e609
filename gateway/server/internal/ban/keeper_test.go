package ban

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// childFile names the ban file of a process that bans until it is killed.
const childFile = "SOCKGATE_TEST_BAN_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		banForever(path)
	}
	os.Exit(m.Run())
}

func opened(t testing.TB, path string) (*List, chan Report) {
	t.Helper()
	reports := make(chan Report, 1000)
	l := &List{Kept: true, Report: func(r Report) { reports <- r }}
	if damage, err := l.Open(path); damage != nil || err != nil {
		t.Fatal(damage, err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, reports
}

func newBan(t testing.TB, target string, lasts time.Duration) *Ban {
	t.Helper()
	network, err := ParseTarget(target, false)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(network, lasts, strings.Repeat("why ", 60), event.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, l *List, b *Ban) (notKept string) {
	t.Helper()
	_, kept, err := l.Put(b)
	if err != nil {
		t.Fatal(err)
	}
	return kept.Await()
}

func remove(t testing.TB, l *List, target Target) (notKept string) {
	t.Helper()
	removed, kept, err := l.Remove(target)
	if removed == nil || err != nil {
		t.Fatalf("Remove(%s): %v, %v", target, removed, err)
	}
	return kept.Await()
}

func targets(l *List) map[string]bool {
	rows, _, _ := l.Page(Target{}, Max)
	all := make(map[string]bool)
	for _, b := range rows {
		all[b.Target.String()] = true
	}
	return all
}

// TestBansAreAppended holds that many bans write the file a few times only, and that those that have expired leave it
// small.
func TestBansAreAppended(t *testing.T) {
	for name, lasts := range map[string]time.Duration{"lasting": 0, "expired": time.Nanosecond} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bans.json")
			l, _ := opened(t, path)
			var before os.FileInfo
			files, largest := 0, int64(0)
			for i := range 1000 {
				if notKept := put(t, l, newBan(t, fmt.Sprintf("10.0.%d.%d", i/256, i%256), lasts)); notKept != "" {
					t.Fatal(notKept)
				}
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if largest = max(largest, info.Size()); before == nil || !os.SameFile(before, info) {
					files++
				}
				before = info
			}
			if lasts > 0 && largest > minFull+1000 {
				t.Errorf("the file has grown to %d bytes, without a ban", largest)
			}
			if files > 10 {
				t.Errorf("the file was rewritten %d times for 1,000 bans", files)
			}
		})
	}
}

// TestConcurrentBans holds that concurrent callers are all answered, and that a restart has their bans.
func TestConcurrentBans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	l, _ := opened(t, path)
	var calling sync.WaitGroup
	for lane := range 16 {
		calling.Go(func() {
			for i := range 100 {
				b := newBan(t, fmt.Sprintf("10.%d.0.%d", lane, i), 0)
				if notKept := put(t, l, b); notKept != "" || l.NotKept(b) != "" {
					t.Error(notKept, l.NotKept(b))
				}
				if i%2 == 1 {
					if notKept := remove(t, l, b.Target); notKept != "" {
						t.Error(notKept)
					}
				}
			}
		})
	}
	calling.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if again, _ := opened(t, path); len(targets(again)) != 800 {
		t.Errorf("%d bans after a restart; expected 800", len(targets(again)))
	}
}

// banForever bans and removes bans in eight lanes, and tells of each change before it and when it is kept.
func banForever(path string) {
	l := &List{Kept: true}
	if _, err := l.Open(path); err != nil {
		panic(err)
	}
	var mu sync.Mutex
	say := func(format string, a ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", a...)
	}
	var lanes sync.WaitGroup
	for lane := range 8 {
		lanes.Go(func() {
			for i := 0; ; i++ {
				target, _ := ParseTarget(fmt.Sprintf("10.%d.%d.%d", lane, i/256%256, i%256), false)
				b, _ := New(target, 0, strings.Repeat("why ", 60), event.Actor{})
				if _, kept, err := l.Put(b); err != nil || kept.Await() != "" {
					panic("not kept")
				}
				say("put %s", target)
				if i%3 != 0 {
					continue
				}
				say("removing %s", target)
				if _, kept, err := l.Remove(target); err != nil || kept.Await() != "" {
					panic("not kept")
				}
				say("removed %s", target)
			}
		})
	}
	lanes.Wait()
}

// TestKilledServerKeepsItsWord holds that no moment of a kill loses a ban, or brings back one, that a caller was told
// about.
func TestKilledServerKeepsItsWord(t *testing.T) {
	for _, lines := range []int{1, 7, 40, 163, 164, 300, 555, 900, 1500} {
		path := filepath.Join(t.TempDir(), "bans.json")
		said := killAfter(t, path, lines)
		l, _ := opened(t, path)
		there := targets(l)
		for target, word := range said {
			if word != "removing" && there[target] != (word == "put") {
				t.Errorf("killed after %d lines: %s was %s, and it is there: %v", lines, target, word, there[target])
			}
		}
	}
}

// killAfter runs a process of banForever, kills it when it has said so many lines, and returns the last word about each
// target.
func killAfter(t *testing.T, path string, lines int) map[string]string {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]string)
	for all := bufio.NewScanner(out); all.Scan(); lines-- {
		if lines == 0 {
			_ = cmd.Process.Kill() // lines that were said meanwhile are still read
		}
		if word, target, ok := strings.Cut(all.Text(), " "); ok {
			said[target] = word
		}
	}
	if err := cmd.Wait(); err == nil || len(said) == 0 {
		t.Fatalf("%v, %d targets", err, len(said))
	}
	return said
}

// TestTornEnd holds that every cut of a file's last line leaves the other bans, and that the cut is reported, unless it
// is between two lines.
func TestTornEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	l, _ := opened(t, path)
	put(t, l, newBan(t, "10.0.0.1", 0))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, l, newBan(t, "10.0.0.2", 0))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for end := len(whole) + 1; end < len(both); end++ {
		if err := os.WriteFile(path, both[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		l, reports := opened(t, path)
		r := <-reports
		if there := targets(l); r.Err != nil || !strings.Contains(r.Text, "cut off") || len(there) != 1 {
			t.Fatalf("%d bytes: %+v, %v", end, r, there)
		}
		if notKept := put(t, l, newBan(t, "10.0.0.3", 0)); notKept != "" {
			t.Fatal(notKept)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if again, _ := opened(t, path); len(targets(again)) != 2 {
			t.Fatalf("%d bytes: then %v", end, targets(again))
		} else if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedLine holds that a line that has changed costs only its own ban, whatever bit it is, that the file is set
// aside, and that the others are in the file afterwards.
func TestDamagedLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bans.json")
	text := Encode([]*Ban{newBan(t, "10.0.0.1", 0), newBan(t, "10.0.0.2", 0), newBan(t, "10.0.0.3", 0)})
	second := bytes.Index(text, []byte("10.0.0.2"))
	for _, at := range []int{second, second - 15, second + 100} {
		damaged := bytes.Clone(text)
		damaged[at] ^= 1
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		l := &List{Kept: true}
		damage, err := l.Open(path)
		if err != nil || damage == nil || !strings.Contains(damage.Error(), "2 of its bans are in force") {
			t.Fatalf("byte %d: %v, %v", at, damage, err)
		}
		if there := targets(l); len(there) != 2 || there["10.0.0.2/32"] {
			t.Errorf("byte %d: %v", at, there)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		again, _ := opened(t, path)
		if len(targets(again)) != 2 || again.Close() != nil {
			t.Errorf("byte %d: afterwards %v", at, targets(again))
		}
	}
	if aside, err := filepath.Glob(path + ".damaged-*"); len(aside) != 3 || err != nil {
		t.Errorf("set aside: %q, %v", aside, err)
	}
}

// TestFileTakenAway holds that a file that another program removed or changed is written again with the next change.
func TestFileTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	l, _ := opened(t, path)
	put(t, l, newBan(t, "10.0.0.1", 0))
	for i, harm := range []func() error{
		func() error { return os.Remove(path) },
		func() error { return os.Truncate(path, 5) },
		func() error { return os.WriteFile(path+"2", nil, 0o600) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			if err := os.Rename(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}
		put(t, l, newBan(t, fmt.Sprintf("10.0.1.%d", i), 0))
		text, err := os.ReadFile(path)
		if rows, wrong := Decode(text, time.Now()); err != nil || wrong != nil || len(rows) != i+2 {
			t.Errorf("%d: %d bans, %v, %v", i, len(rows), err, wrong)
		}
	}
}

// TestOldFile holds that a file of version 1 is read, and replaced by one of version 2 at once.
func TestOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	old := `{"version": 1, "bans": [{"target": "10.0.0.1", "created_at": "2026-01-01T00:00:00Z", "reason": "why"}]}`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	l, _ := opened(t, path)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if rows, wrong := Decode(text, time.Now()); err != nil || wrong != nil || len(rows) != 1 || rows[0].Reason != "why" ||
		bytes.HasPrefix(text, []byte("{")) {
		t.Errorf("%s: %v, %v", text, err, wrong)
	}
}

// TestBansAreBoundedInBytes holds that bans of the greatest texts stay within 32 MiB, and that the refusal names both
// numbers.
func TestBansAreBoundedInBytes(t *testing.T) {
	var l List
	for i := range Max {
		name := fmt.Sprintf("%05d", i) + strings.Repeat("\x01", event.MaxIdentity-5) // six bytes each in JSON
		b, err := New(Target{identity: name}, 0, strings.Repeat("\x01", event.MaxText), event.Actor{Identity: name})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = l.Put(b); err == nil {
			continue
		}
		if i < 2000 || l.table.bytes > maxBytes || !strings.Contains(err.Error(), fmt.Sprint(maxBytes)) {
			t.Errorf("%d bans of %d bytes: %v", i, l.table.bytes, err)
		}
		return
	}
	t.Errorf("%d bans of %d bytes", Max, l.table.bytes)
}

// TestSilentDisk holds that a caller waits 2 s for a disk that does not answer, and that the changes that wait have a
// bound.
func TestSilentDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{wake: make(chan struct{}, 1)} // nothing is ever written
		b := newBan(t, "10.0.0.1", 0)
		for range 3 * Max {
			k.owe(b.lines())
		}
		if n := len(k.next.changes); n > maxRound || !k.next.overflown() || k.next.size() != 3*Max+0 {
			t.Errorf("%d changes wait, of %d", n, k.next.size())
		}
		began := time.Now()
		if notKept := k.owe(b.lines()).Await(); time.Since(began) != patience || !strings.Contains(notKept, "2s") {
			t.Errorf("after %s: %s", time.Since(began), notKept)
		}
	})
}

// unwritable makes a file unwritable, by a directory in its place, and returns the way back.
func unwritable(t testing.TB, path string) (mend func()) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

// unkeptScene bans and removes while a file cannot be written, and mends it.
func unkeptScene(t testing.TB, path string, breakIt func(testing.TB, string) (mend func())) {
	l, reports := opened(t, path)
	if notKept := put(t, l, newBan(t, "10.0.0.1", 0)); notKept != "" {
		t.Fatal(notKept)
	}
	mend := breakIt(t, path)
	for i := 0; put(t, l, newBan(t, fmt.Sprintf("10.0.2.%d", i), 0)) == ""; i++ {
		if i > 50 {
			t.Fatal("every ban is kept") // a full disk has room in the file's last block
		}
	}
	unkeptChanges(t, l, path, reports)
	want := targets(l)
	mend()
	if r := <-reports; r.Err != nil || r.Changes != 22 {
		t.Errorf("reported %+v", r)
	}
	if rows, _, _ := l.Page(Target{}, Max); len(rows) < 21 {
		t.Errorf("%d bans", len(rows))
	} else {
		for _, b := range rows {
			if notKept := l.NotKept(b); notKept != "" {
				t.Errorf("%s: %s", b.Target, notKept)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := opened(t, path)
	if there := targets(again); !maps.Equal(there, want) {
		t.Errorf("after a restart: %v; expected %v", there, want)
	}
}

// unkeptChanges makes 20 bans and a removal that cannot be kept.
func unkeptChanges(t testing.TB, l *List, path string, reports chan Report) {
	t.Helper()
	for i := range 20 {
		b := newBan(t, fmt.Sprintf("10.0.1.%d", i), 0)
		if notKept := put(t, l, b); !strings.Contains(notKept, path) || l.NotKept(b) == "" {
			t.Errorf("kept: %q, %q", notKept, l.NotKept(b))
		}
		if l.Find(b.Target.network.Addr(), "") != b {
			t.Errorf("%s is not in force", b.Target)
		}
	}
	old, err := ParseTarget("10.0.0.1", false)
	if err != nil {
		t.Fatal(err)
	}
	if notKept := remove(t, l, old); !strings.Contains(notKept, path) || l.Find(old.network.Addr(), "") != nil {
		t.Errorf("the removal is kept, or not in force: %q", notKept)
	}
	if r := <-reports; r.Err == nil || r.Changes == 0 {
		t.Errorf("reported %+v", r)
	}
}

// TestUnwritableFile holds that bans and removals are in force at once although the file cannot be written, that the
// callers are told, and that all is kept when it can be written again.
func TestUnwritableFile(t *testing.T) {
	unkeptScene(t, filepath.Join(t.TempDir(), "bans.json"), unwritable)
}

// TestEndWithoutKeeping holds that the end of a List reports changes that it could not keep.
func TestEndWithoutKeeping(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	l, reports := opened(t, path)
	unwritable(t, path)
	put(t, l, newBan(t, "10.0.0.1", 0))
	<-reports
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if r := <-reports; r.Err == nil || !strings.Contains(r.Text, "end now") {
		t.Errorf("reported %+v", r)
	}
}

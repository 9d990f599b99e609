package ban

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// inTmpfs names the environment variable that marks a process in a mount namespace of its own.
const inTmpfs = "SOCKGATE_TEST_BAN_TMPFS"

// fill takes all the room of the disk that has a file, and returns the way to give it back.
func fill(t testing.TB, path string) (free func()) {
	filler, err := os.Create(path + ".filler")
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	return func() {
		if err := filler.Truncate(0); err != nil {
			t.Fatal(err)
		}
	}
}

// onDisk runs a scene on a disk of 64 KiB, in a process that has a mount namespace. Where the kernel does not allow
// that, the other scene runs.
func onDisk(t *testing.T, scene func(path string), other func()) {
	if os.Getenv(inTmpfs) != "" {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		scene(filepath.Join(dir, "bans.json"))
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inTmpfs+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		t.Logf("no mount namespace: %v", err)
		other()
		return
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestFullDisk is the scene of TestUnwritableFile on a disk without room.
func TestFullDisk(t *testing.T) {
	onDisk(t, func(path string) { unkeptScene(t, path, fill) },
		func() { unkeptScene(t, filepath.Join(t.TempDir(), "bans.json"), unwritable) })
}

// TestReadOnlyDisk holds that a List opens on a disk that became read-only, with the bans that it has, and keeps later
// ones when the disk can be written again.
func TestReadOnlyDisk(t *testing.T) {
	onDisk(t, func(path string) {
		remount := func(flags uintptr) {
			if err := syscall.Mount("", filepath.Dir(path), "", syscall.MS_REMOUNT|flags, ""); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := opened(t, path)
		put(t, before, newBan(t, "10.0.0.1", 0))
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
		remount(syscall.MS_RDONLY)
		l, reports := opened(t, path)
		unkeptChanges(t, l, path, reports)
		remount(0)
		if r := <-reports; r.Err != nil {
			t.Errorf("reported %+v", r)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if again, _ := opened(t, path); len(targets(again)) != 20 {
			t.Errorf("after a restart: %v", targets(again))
		}
	}, func() {})
}

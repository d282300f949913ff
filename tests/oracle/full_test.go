package oracle_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

var spaceError = regexp.MustCompile(`(?i)no space left on device|min-free-space`)

// smallDisk mounts a file system of so many MiB for one test.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	d := dir(t)
	if err := unix.Mount("tmpfs", d, "tmpfs", 0, fmt.Sprintf("mode=0755,size=%dm", mib)); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(d, unix.MNT_DETACH) })
	return d
}

func freeBytes(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bfree) * st.Bsize
}

// TestFullDisk runs out of space in the middle of commit and import. The error
// says so, and the repository is as it was, with the space given back.
func TestFullDisk(t *testing.T) {
	need(t, "ostree", "mmdebstrap")
	big := filepath.Join(debian(t), "usr/bin")
	image := "oci:" + dir(t) + "/image"
	encapsulate(t, pairOf(t, "debian", "archive").ours, image)
	small := smallTree(t, dir(t)+"/small", 3)
	for _, c := range []struct {
		name string
		mib  int
		mode string
		args []string
	}{
		{"commit archive", 4, "archive", commitArgs("archive", big)},
		{"commit bare", 12, "bare", commitArgs("bare", big)},
		{"commit bare-user", 9, "bare-user", commitArgs("bare-user", big)},
		{"import", 20, "archive", []string{"container", "import", "--write-ref=" + branch, image}},
		{"import bare", 30, "bare", []string{"container", "import", "--write-ref=" + branch, image}},
	} {
		for _, reserve := range []string{"3", "0"} {
			t.Run(c.name+" reserve "+reserve, func(t *testing.T) {
				disk := smallDisk(t, c.mib)
				repo := filepath.Join(disk, "repo")
				old := commitInto(t, repo, treenail, c.mode, small)
				run(t, treenail, "--repo="+repo, "config", "set", "core.min-free-space-percent", reserve)
				free := freeBytes(t, disk)
				if line := refuse(t, treenail, append(c.args, "--repo="+repo)...); !spaceError.MatchString(line) {
					t.Errorf("the error does not tell of space: %s", line)
				}
				isWhole(t, repo, c.mode, old)
				if lost := free - freeBytes(t, disk); lost > 1<<20 {
					t.Errorf("%d kB stay in use", lost>>10)
				}
			})
		}
	}
}

// TestFullDiskForImage: an image that did not fit is not there.
func TestFullDiskForImage(t *testing.T) {
	need(t, "mmdebstrap")
	disk := smallDisk(t, 10)
	free := freeBytes(t, disk)
	repo := pairOf(t, "debian", "archive").ours
	for _, image := range []string{"oci:" + disk + "/layout:1", "oci-archive:" + disk + "/archive.tar:1"} {
		line := refuse(t, treenail, "container", "encapsulate", "--repo="+repo, branch, image)
		if !spaceError.MatchString(line) {
			t.Errorf("the error does not tell of space: %s", line)
		}
		refuse(t, treenail, "container", "inspect", image)
		if lost := free - freeBytes(t, disk); lost > 64<<10 {
			t.Errorf("%s: %d kB stay in use", image, lost>>10)
		}
	}
}

package packages_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPK(t *testing.T) {
	const installed = "C:Q1x\nP:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nF:lib\nR:ld-musl.so.1\na:0:0:755\nZ:Q1\n\n" +
		"P:musl-utils\nV:1.2.5-r0\no:musl\nF:usr/bin\nR:ldd\nF:sbin\nR:ldconfig\n\n" +
		"P:busybox\nV:1.36-r2\no:busybox\nF:bin\nR:busybox\nF:etc\nR:securetty\n\nP:bad,name\nF:bin\nR:busybox\n"
	for _, path := range []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"} {
		root := t.TempDir()
		write(t, root, map[string]string{
			path: installed, "usr/lib/ld-musl.so.1": "musl", "usr/bin/ldd": "ldd", "usr/sbin/ldconfig": "ldconfig", "sbin": "-> usr/sbin",
			"usr/bin/busybox": "busybox", "bin": "-> usr/bin", "usr/etc/securetty": "tty",
		})
		if strings.HasPrefix(path, "usr") {
			write(t, root, map[string]string{"lib": "-> usr/lib"})
		} else {
			write(t, root, map[string]string{"lib/ld-musl.so.1": "musl"})
		}
		got, found, err := layersOf(t, root)
		ok(t, err)
		if diff := cmp.Diff([]string{"busybox-1.36-r2: busybox", "musl-1.2.5-r0 and musl-utils-1.2.5-r0: musl,musl-utils"}, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		if diff := cmp.Diff([]string{"/usr/bin/ldd", "/sbin/ldconfig"}, found[1].Paths); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestPacman(t *testing.T) {
	for _, dir := range []string{"var/lib/pacman/local", "usr/lib/sysimage/lib/pacman/local"} {
		root := t.TempDir()
		write(t, root, map[string]string{
			dir + "/ALPM_DB_VERSION":      "9\n",
			dir + "/bash-5.2.037-1/desc":  "%NAME%\nbash\n\n%VERSION%\n5.2.037-1\n\n%BASE%\nbash\n\n%DESC%\n%NAME%\n\n",
			dir + "/bash-5.2.037-1/files": "%FILES%\nusr/\nusr/bin/\nusr/bin/bash\netc/bash.bashrc\n\n%BACKUP%\netc/bash.bashrc\t00\n",
			dir + "/gcc-libs-14-1/desc":   "%NAME%\ngcc-libs\n\n%VERSION%\n14-1\n\n%BASE%\ngcc\n",
			dir + "/gcc-libs-14-1/files":  "%FILES%\nusr/lib/libgcc_s.so\n",
			dir + "/libasan-14-1/desc":    "%NAME%\nlibasan\n\n%VERSION%\n14-1\n\n%BASE%\ngcc\n",
			dir + "/libasan-14-1/files":   "%FILES%\nusr/lib/libasan.so\n",
			dir + "/empty-1-1/desc":       "%NAME%\nempty\n",
			dir + "/broken-1-1/files":     "%FILES%\nusr/bin/bash\n",
			"usr/bin/bash":                "bash", "usr/etc/bash.bashrc": "rc", "usr/lib/libgcc_s.so": "gcc", "usr/lib/libasan.so": "asan",
		})
		got, found, err := layersOf(t, root)
		ok(t, err)
		if diff := cmp.Diff([]string{"bash-5.2.037-1: bash", "gcc-libs-14-1 and libasan-14-1: gcc-libs,libasan"}, got); diff != "" {
			t.Errorf("%s: %s", dir, diff)
		}
		if diff := cmp.Diff([]string{"/usr/bin/bash", "/etc/bash.bashrc"}, found[0].Paths); diff != "" || len(found) != 4 {
			t.Errorf("%s: %d packages: %s", dir, len(found), diff)
		}
	}
}

// TestRPMFormats puts the headers that the real rpm wrote into databases of the two
// formats that Debian's rpm does not write.
func TestRPMFormats(t *testing.T) {
	work := t.TempDir()
	write(t, work, map[string]string{"hello.spec": spec})
	run(t, "rpmbuild", "-bb", "--define", "_topdir "+work, "--define", "_build_id_links none", filepath.Join(work, "hello.spec"))
	source := t.TempDir()
	run(t, "rpm", "--root", source, "--define", "_db_backend sqlite", "--dbpath", "/db", "--nodeps", "--noscripts",
		"-i", filepath.Join(work, "RPMS/noarch/hello-1.0-2.noarch.rpm"), filepath.Join(work, "RPMS/noarch/world-1.0-2.noarch.rpm"))
	headers := rpmHeaders(t, filepath.Join(source, "db/rpmdb.sqlite"))
	for name, make := range map[string]func(testing.TB, string, [][]byte){"Packages.db": writeNDB, "Packages": writeBDB} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, map[string]string{"usr/bin/hello": "hello", "usr/bin/world": "world", "usr/lib/sysimage/rpm/x": ""})
			make(t, filepath.Join(root, "usr/lib/sysimage/rpm", name), headers)
			got, _, err := layersOf(t, root)
			ok(t, err)
			if diff := cmp.Diff([]string{"hello-3:1.0-2.noarch and world-1.0-2.noarch: hello,world"}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNDBDamaged: a database that lies about sizes, or has no slots where they should
// be, is refused before memory is taken for it.
func TestNDBDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "good")
	writeNDB(t, path, [][]byte{[]byte("header")})
	good, err := os.ReadFile(path)
	ok(t, err)
	for want, damage := range map[string]func(db []byte){
		"header of slot 0: 4294967295 bytes are more than the file has": func(db []byte) { copy(db[4096+12:], "\xff\xff\xff\xff") },
		"slot 7: is none":       func(db []byte) { db[32+7*16] = 0 },
		"0 pages of slots":      func(db []byte) { db[12] = 0 },
		"header of slot 0: EOF": func(db []byte) { db[32+10] = 0xff },
		"slot 254: is none":     func(db []byte) { db[12] = 2 },
	} {
		db := slices.Clone(good)
		damage(db)
		root := t.TempDir()
		write(t, root, map[string]string{"usr/lib/sysimage/rpm/Packages.db": string(db), "usr/x": "x"})
		if _, _, err := layersOf(t, root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func rpmHeaders(t testing.TB, path string) (headers [][]byte) {
	db, err := sql.Open("sqlite", path)
	ok(t, err)
	defer db.Close()
	rows, err := db.Query("SELECT blob FROM Packages ORDER BY hnum")
	ok(t, err)
	defer rows.Close()
	for rows.Next() {
		var header []byte
		ok(t, rows.Scan(&header))
		headers = append(headers, header)
	}
	ok(t, rows.Err())
	return headers
}

// writeNDB writes a database as rpm's lib/backend/ndb/rpmpkg.c describes it: a page
// of a header and slots, then blobs in blocks of 16 bytes.
func writeNDB(t testing.TB, path string, headers [][]byte) {
	le := binary.LittleEndian
	page := append([]byte("RpmP"), make([]byte, 28)...)
	le.PutUint32(page[8:], 1)  // generation
	le.PutUint32(page[12:], 1) // pages of slots
	var blobs []byte
	for i := range 4096/16 - 2 {
		slot := append([]byte("Slot"), make([]byte, 12)...)
		if i < len(headers) {
			blob := append([]byte("BlbS"), make([]byte, 12)...)
			le.PutUint32(blob[4:], uint32(i+1))
			le.PutUint32(blob[8:], 1)
			le.PutUint32(blob[12:], uint32(len(headers[i])))
			blob = append(blob, headers[i]...)
			blob = append(blob, make([]byte, -(len(blob)+12)&15)...)
			tail := append(make([]byte, 8), "BlbE"...)
			le.PutUint32(tail, adler32.Checksum(blob))
			le.PutUint32(tail[4:], uint32(len(headers[i])))
			blob = append(blob, tail...)
			le.PutUint32(slot[4:], uint32(i+1))
			le.PutUint32(slot[8:], uint32(4096+len(blobs))/16)
			le.PutUint32(slot[12:], uint32(len(blob)/16))
			blobs = append(blobs, blob...)
		}
		page = append(page, slot...)
	}
	writeFile(t, path, string(page)+string(blobs))
}

// writeBDB lets Berkeley DB's own program write a hash of numbers and headers.
func writeBDB(t testing.TB, path string, headers [][]byte) {
	var dump strings.Builder
	dump.WriteString("VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n")
	for i, header := range headers {
		fmt.Fprintf(&dump, " %x\n %x\n", binary.LittleEndian.AppendUint32(nil, uint32(i+1)), header)
	}
	dump.WriteString("DATA=END\n")
	cmd := exec.Command("db5.3_load", path)
	cmd.Stdin = strings.NewReader(dump.String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("db5.3_load: %v\n%s", err, &out)
	}
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	write(t, filepath.Dir(path), map[string]string{filepath.Base(path): text})
}

package oracle_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveRegistry starts Debian's docker-registry on loopback and returns its
// host and port. It ends with the test.
func serveRegistry(t *testing.T) string {
	t.Helper()
	need(t, "docker-registry")
	d := dir(t)
	host := freePort(t)
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nhttp: {addr: %s}\nstorage: {filesystem: {rootdirectory: %s/data}, delete: {enabled: true}}\n", host, d)
	if err := os.WriteFile(d+"/config.yml", []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(d + "/log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", d+"/config.yml")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
	})
	waitFor(t, "http://"+host+"/v2/", d+"/log")
	return host
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitFor(t *testing.T, url, log string) {
	t.Helper()
	for range 200 {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log)
	t.Fatalf("%s does not answer\n%s", url, text)
}

// store is a storage of images of podman and buildah for one test.
type store struct {
	dir  string
	conf string
}

// containersConf lets containers run where the kernel has both generations of
// cgroups or does not let a process raise its limits.
const containersConf = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`

func newStore(t *testing.T) *store {
	t.Helper()
	need(t, "podman", "buildah", "runc")
	d, err := os.MkdirTemp(scratch, "s") // podman wants it short
	if err != nil {
		t.Fatal(err)
	}
	s := &store{dir: d}
	s.conf = filepath.Join(s.dir, "containers.conf")
	if err := os.WriteFile(s.conf, []byte(containersConf), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// command is podman or buildah with this storage.
func (s *store) command(tool string, args ...string) *exec.Cmd {
	global := []string{"--root=" + s.dir + "/root", "--runroot=" + s.dir + "/run", "--storage-driver=overlay"}
	cmd := exec.Command(tool, append(global, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+s.conf, "TMPDIR="+s.dir)
	return cmd
}

func (s *store) run(t *testing.T, tool string, args ...string) string {
	t.Helper()
	stdout, stderr, err := try(s.command(tool, args...))
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, stderr)
	}
	return strings.TrimSpace(stdout)
}

// inspection is what treenail says of an image, as far as tests ask.
type inspection struct {
	Digest       string
	Commit       string
	Version      string
	Encapsulated bool
	Labels       map[string]string
	Layers       []struct {
		Kind, Digest, DiffID string
		Size                 int64
		Components           []string
	}
}

func inspect(t *testing.T, image string) inspection {
	t.Helper()
	var i inspection
	out := run(t, treenail, "container", "inspect", "--json", "--tls-verify=false", image)
	if err := json.Unmarshal([]byte(out), &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// Package program gives tests the treenail program, built as users get it.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Env names the environment variable that holds the path of a program to test
// instead of building one.
const Env = "TREENAIL_BINARY"

// Build puts the static program into dir and returns its path, or returns the
// one that the environment names.
func Build(dir string) (string, error) {
	if path := os.Getenv(Env); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "treenail")
	cmd := exec.Command("go", "build", "-trimpath",
		"-tags", "containers_image_openpgp,containers_image_docker_daemon_stub",
		"-ldflags", "-s -w", "-o", path, "github.com/treenail/treenail/cmd/treenail")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build treenail: %w\n%s", err, out)
	}
	return path, nil
}

package ostree

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"unicode"
)

// edit lets the user write subject and body in an editor. The first line that
// is neither blank nor a comment becomes the subject, the rest the body.
func (c *committer) edit() error {
	text, err := c.runEditor(c.editorText())
	if err != nil {
		return err
	}
	c.commit.Subject, c.commit.Body = splitMessage(text)
	if c.commit.Subject == "" {
		return errors.New("Aborting commit due to empty commit subject.")
	}
	return checkText(c.commit.Subject, c.commit.Body)
}

func (c *committer) editorText() string {
	text := "\n# Write the subject of the commit in the first line and the body below it.\n" +
		"# Lines that begin with '#' are left out; without a subject nothing is committed.\n"
	if c.branch != "" {
		text += "#\n# Branch: " + c.branch + "\n"
	}
	if c.subject != "" {
		text = c.subject + "\n" + text
	}
	return text
}

// runEditor has the user change text and returns what became of it.
func (c *committer) runEditor(text string) (string, error) {
	editor, err := chooseEditor()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "commit-message-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	cmd := exec.Command("/bin/sh", "-c", editor+` "$1"`, "sh", f.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.env.Stdin, c.env.Stderr, c.env.Stderr // standard output is for the checksum
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("There was a problem with the editor '%s': %w", editor, err)
	}
	data, err := os.ReadFile(f.Name())
	return string(data), err
}

// chooseEditor is the editor as libostree chooses it; it may hold options.
func chooseEditor() (string, error) {
	dumb := os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb"
	if editor := os.Getenv("OSTREE_EDITOR"); editor != "" {
		return editor, nil
	}
	if editor := os.Getenv("VISUAL"); editor != "" && !dumb {
		return editor, nil
	}
	if editor := os.Getenv("EDITOR"); editor != "" {
		return editor, nil
	}
	if dumb {
		return "", errors.New("Terminal is dumb, but EDITOR unset")
	}
	return "vi", nil
}

// splitMessage takes a commit's subject and body out of an edited text.
func splitMessage(text string) (subject, body string) {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		switch {
		case strings.HasPrefix(line, "#"), line == "" && len(lines) == 0:
		case subject == "":
			subject = line
		default:
			lines = append(lines, line)
		}
	}
	return subject, strings.TrimRightFunc(strings.Join(lines, "\n"), unicode.IsSpace)
}

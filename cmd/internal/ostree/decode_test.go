package ostree

import (
	"strings"
	"testing"
	"time"
)

// This needs what the package does not show: its decoder, under the fuzzer.

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{
		"@1700000000", "2024-01-02T03:04:05.5+01:00", "Tue, 2 Jan 2024 3pm EST", "1/2/24", "20240102 0304", "2 days ago",
		"next monday", "12 months 3 hours ago", "02-Jan-2024", "@", "-", "+5", "999999999999 years",
	} {
		f.Add(seed)
	}
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseDate(text, now)
		if err != nil {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("the error %q does not name %q", err, text)
			}
			return
		}
		again, err := parseDate(text, now)
		if err != nil || !got.Equal(again) {
			t.Errorf("%q is %v, then %v, %v", text, got, again, err)
		}
	})
}

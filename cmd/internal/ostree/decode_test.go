package ostree

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
)

// These two need what the package does not show: its decoders, under the fuzzer.

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

func FuzzParseSize(f *testing.F) {
	sample := objectSize{name: object.Name{Checksum: object.Checksum{1}, Type: object.TypeDirTree}, archived: 300, unpacked: 1 << 40}
	f.Add(sample.encode().Data())
	f.Add(sample.encode().Data()[:33])
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 60))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseSize(data)
		if err != nil {
			return
		}
		again, err := parseSize(s.encode().Data())
		if err != nil || s != again {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
		commit := &object.Commit{Metadata: gvariant.NewVardict(gvariant.Entry{
			Key: sizesKey, Value: gvariant.NewArray("ay", gvariant.NewBytes(data))})}
		if list, err := commitSizes(commit); err != nil || len(list) != 1 || list[0] != s {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

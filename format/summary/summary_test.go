package summary_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/summary"
)

// sample is a summary with all that there can be in one.
func sample() *summary.Summary {
	ref := func(name string, version ...string) summary.Ref {
		entries := []gvariant.Entry{{Key: summary.TimestampKey, Value: summary.NewTime(1700000000)}}
		for _, v := range version {
			entries = append(entries, gvariant.Entry{Key: summary.VersionKey, Value: gvariant.NewString(v)})
		}
		return summary.Ref{Name: name, Size: 134, Commit: object.Sum([]byte(name)), Metadata: gvariant.NewVardict(entries...)}
	}
	return &summary.Summary{
		Refs: []summary.Ref{ref("a"), ref("b/c", "1.2")},
		Metadata: gvariant.NewVardict(
			gvariant.Entry{Key: summary.CollectionIDKey, Value: gvariant.NewString("org.example.A")},
			gvariant.Entry{Key: summary.CollectionMapKey, Value: summary.EncodeCollections([]summary.Collection{
				{ID: "org.example.B", Refs: []summary.Ref{ref("x"), ref("y", "")}}, {ID: "org.example.C"},
			})},
			gvariant.Entry{Key: summary.LastModifiedKey, Value: summary.NewTime(1700000001)},
		),
	}
}

// refText shows what a ref says in a form that cmp can compare.
func refText(refs []summary.Ref) (list []string) {
	for _, r := range refs {
		list = append(list, strings.Join([]string{r.Name, r.Commit.String(), r.Metadata.Print(true)}, " "))
	}
	return list
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	got, err := summary.Decode(want.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(refText(want.Refs), refText(got.Refs)); diff != "" {
		t.Error(diff)
	}
	if got.Refs[1].Size != 134 || got.CollectionID() != "org.example.A" {
		t.Errorf("size %d, collection %q", got.Refs[1].Size, got.CollectionID())
	}
	collections, err := got.Collections()
	if err != nil || len(collections) != 2 || collections[1].ID != "org.example.C" || len(collections[0].Refs) != 2 {
		t.Fatalf("%v %v", collections, err)
	}
	modified, _ := got.Metadata.Lookup(summary.LastModifiedKey)
	if seconds, ok := summary.Time(modified); !ok || seconds != 1700000001 {
		t.Errorf("last modified %d %v", seconds, ok)
	}
	if !bytes.Equal(got.Encode(), want.Encode()) {
		t.Error("encoded again it differs")
	}
}

// TestKnownBytes: a summary of one ref, as libostree 2022.7 wrote it.
func TestKnownBytes(t *testing.T) {
	const text = "61000000000000007600000000000000" +
		"1dd159df6b372599e685857f427126231056934d7fa5ba1825dd35423549e130" +
		"6f73747265652e636f6d6d69742e74696d657374616d7000000000006b06676e00741823280256"
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	s := &summary.Summary{
		Refs: []summary.Ref{{
			Name: "a", Size: 118, Metadata: gvariant.NewVardict(gvariant.Entry{Key: summary.TimestampKey, Value: summary.NewTime(0x6b06676e)}),
		}},
		Metadata: gvariant.NewVardict(),
	}
	s.Refs[0].Commit, _ = object.ParseChecksum("1dd159df6b372599e685857f427126231056934d7fa5ba1825dd35423549e130")
	if got := s.Encode(); !bytes.HasPrefix(got, data) {
		t.Errorf("%x\n%x", got, data)
	}
}

func TestDecodeErrors(t *testing.T) {
	short := gvariant.NewTuple(gvariant.NewString("a"),
		gvariant.NewTuple(gvariant.NewUint64(1), gvariant.NewBytes(make([]byte, 31)), gvariant.NewVardict()))
	for name, data := range map[string][]byte{
		"not normal":     []byte("garbage"),
		"short checksum": gvariant.NewTuple(gvariant.NewArray("(s(taya{sv}))", short), gvariant.NewVardict()).Bytes(),
	} {
		if _, err := summary.Decode(data); err == nil || !strings.HasPrefix(err.Error(), "summary: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReal reads what the real program wrote.
func TestReal(t *testing.T) {
	repo := filepath.Join(t.TempDir(), "repo")
	for _, args := range []string{
		"init --mode=archive --collection-id=org.example.A", "commit -b os/x --timestamp=@5 --tree=dir=" + t.TempDir(),
		"refs -c --create=org.example.B:y os/x", "summary -u -m k=5",
	} {
		if out, err := exec.Command("ostree", append([]string{"--repo=" + repo}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Fatalf("the real ostree is needed: %s: %v %s", args, err, out)
		}
	}
	data, err := os.ReadFile(filepath.Join(repo, "summary"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := summary.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Encode(), data) {
		t.Error("encoded again it differs")
	}
	collections, err := s.Collections()
	if err != nil || len(collections) != 1 || collections[0].Refs[0].Name != "y" || len(s.Refs) != 2 || s.Refs[0].Name != "os/x" {
		t.Errorf("%v %v %v", s.Refs, collections, err)
	}
	v, _ := s.Refs[0].Metadata.Lookup(summary.TimestampKey)
	if seconds, ok := summary.Time(v); seconds != 5 || !ok {
		t.Errorf("timestamp %d %v", seconds, ok)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample().Encode())
	f.Add((&summary.Summary{Metadata: gvariant.NewVardict()}).Encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := summary.Decode(data)
		if err != nil {
			return
		}
		if got := s.Encode(); !bytes.Equal(got, data) {
			t.Errorf("%x becomes %x", data, got)
		}
		s.Collections()
		s.CollectionID()
	})
}

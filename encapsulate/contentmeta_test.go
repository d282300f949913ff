package encapsulate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
)

const zeroSum = "0000000000000000000000000000000000000000000000000000000000000000"

func TestParseContentMeta(t *testing.T) {
	got, err := encapsulate.ParseContentMeta([]byte(`{"version":1,"created":"2020","labels":{"a":"b"},"layers":{"z":"last","a":"first","m":"middle"},"mapping":{"` + zeroSum + `":"m"},"ordered":false,"other":1}`))
	ok(t, err)
	want := &encapsulate.ContentMeta{Created: "2020", Labels: map[string]string{"a": "b"},
		Layers:  []encapsulate.ContentLayer{{ID: "z", Name: "last"}, {ID: "a", Name: "first"}, {ID: "m", Name: "middle"}},
		Mapping: map[object.Checksum]string{{}: "m"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseContentMetaErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "unexpected end",
		`{}`:                                  "no version",
		`{"version":2}`:                       "unsupported metadata version: 2",
		`{"version":1,"ordered":true}`:        "ordered mapping not currently supported",
		`{"version":1,"layers":["a"]}`:        "not an object",
		`{"version":1,"mapping":{"xyz":"a"}}`: "checksum",
		`{"version":1,"layers":{"a":"b"},"mapping":{"` + zeroSum + `":"c"}}`: `mapped to layer "c"`,
	} {
		if _, err := encapsulate.ParseContentMeta([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzParseContentMeta(f *testing.F) {
	f.Add([]byte(`{"version":1,"layers":{"z":"last","a":"first"},"mapping":{"` + zeroSum + `":"a"}}`))
	f.Add([]byte(`{"version":1,"layers":{"a":"1","a":"2"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := encapsulate.ParseContentMeta(data)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		for _, l := range m.Layers {
			if seen[l.ID] {
				t.Errorf("layer %q twice", l.ID)
			}
			seen[l.ID] = true
		}
	})
}

// TestContentMeta: layers come in the order of the file whatever their size, an
// unmapped object goes into the first, a layer without objects is none.
func TestContentMeta(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"a": "aaa", "b": "b", "c": "cccccc", "rest": "rest"}, xattrs{"b": component("ignored")})
	file := map[string]object.Checksum{}
	c, err := r.Commit(sum)
	ok(t, err)
	for e, err := range r.Walk(c.Tree, c.Meta) {
		ok(t, err)
		file[e.Path] = e.Checksum
	}
	meta := fmt.Sprintf(`{"version":1,"layers":{"two":"second layer","none":"nothing","one":"x,y"},"mapping":{"%s":"one","%s":"two","%s":"one","%s":"none"}}`,
		file["/a"], file["/b"], file["/c"], zeroSum)
	parsed, err := encapsulate.ParseContentMeta([]byte(meta))
	ok(t, err)
	dir, result := encapsulateTo(t, r, sum, encapsulate.Options{ContentMeta: parsed, Packages: packagesOf(encapsulate.Package{ID: "p", Name: "p", Paths: []string{"/rest"}})})
	checkComplete(t, r, sum, objects(t, dir))
	var got []string
	for i, l := range result.Layers {
		annotations, err := json.Marshal(l.Descriptor.Annotations)
		ok(t, err)
		got = append(got, fmt.Sprintf("%s %s", l.Name, annotations))
		for _, e := range entries(t, dir, i) {
			if e[0] == '1' {
				got = append(got, e)
			}
		}
	}
	want := []string{"a subject null", "1 0644 rest", `two {"ostree.components":"second layer"}`, "1 0644 b", `one {"ostree.components":"x,y"}`, "1 0644 a", "1 0644 c"}
	if file["/a"].Compare(file["/c"]) > 0 {
		want[5], want[6] = want[6], want[5]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

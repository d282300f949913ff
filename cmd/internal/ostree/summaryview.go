package ostree

import (
	"fmt"
	"time"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/format/summary"
	"github.com/treenail/treenail/ostreerepo"
)

// viewSummary shows a summary, given also as its bytes, as libostree does.
func viewSummary(env *cli.Env, repo *ostreerepo.Repo, data []byte, s *summary.Summary) error {
	collections, err := s.Collections()
	if err != nil {
		return err
	}
	own := summary.Collection{ID: s.CollectionID(), Refs: s.Refs}
	for _, c := range append([]summary.Collection{own}, collections...) {
		for _, ref := range c.Refs {
			viewRef(env, c.ID, ref)
		}
	}
	for i := range s.Metadata.Len() {
		entry := s.Metadata.At(i)
		viewEntry(env, entry.At(0).Str(), entry.At(1).Variant())
	}
	return viewSignatures(env, repo, data)
}

// viewSignatures says who signed the summary. As in libostree, only GPG's
// signatures are looked into.
func viewSignatures(env *cli.Env, repo *ostreerepo.Repo, data []byte) error {
	signatures, signed, err := repo.SummarySignatures()
	if err != nil {
		return err
	}
	if !signed {
		env.Println("Summary is unsigned")
		return nil
	}
	result, err := new(verdict).of(repo, data, signatures)
	if err != nil || result == nil {
		return err
	}
	env.Println()
	return writeSignatures(env.Stdout, result, " on the summary")
}

func viewRef(env *cli.Env, collection string, ref summary.Ref) {
	name := ref.Name
	if collection != "" {
		name = fmt.Sprintf("(%s, %s)", collection, name)
	}
	env.Printf("* %s\n    Latest Commit (%s):\n      %s\n", name, cli.Size(ref.Size), ref.Commit)
	for i := range ref.Metadata.Len() {
		entry := ref.Metadata.At(i)
		env.Printf("    ")
		viewEntry(env, entry.At(0).Str(), entry.At(1).Variant())
	}
	env.Println()
}

// summaryLabels are what the keys of a summary mean, and how to write values of
// the right type.
var summaryLabels = map[string]struct {
	label string
	want  gvariant.Type // "" for any
	text  func(gvariant.Value) string
}{
	summary.ModeKey:          {"Repository Mode", "s", gvariant.Value.Str},
	summary.LastModifiedKey:  {"Last-Modified", "t", isoTime},
	summary.ExpiresKey:       {"Expires", "t", isoTime},
	summary.TombstonesKey:    {"Has Tombstone Commits", "b", yesNo},
	summary.DeltasKey:        {"Static Deltas", "", plainText},
	summary.CollectionIDKey:  {"Collection ID", "s", gvariant.Value.Str},
	summary.CollectionMapKey: {"Collection Map", "", func(gvariant.Value) string { return "(printed above)" }},
	summary.TimestampKey:     {"Timestamp", "t", isoTime},
	summary.VersionKey:       {"Version", "s", gvariant.Value.Str},
}

func viewEntry(env *cli.Env, key string, v gvariant.Value) {
	if known, ok := summaryLabels[key]; ok && (known.want == "" || known.want == v.Type()) {
		env.Printf("%s (%s): %s\n", known.label, key, known.text(v))
		return
	}
	env.Printf("%s: %s\n", key, plainText(v))
}

func plainText(v gvariant.Value) string { return v.Print(false) }

func yesNo(v gvariant.Value) string {
	if v.Bool() {
		return "Yes"
	}
	return "No"
}

// isoTime writes a time of a summary in the local zone, with no more of the
// zone's offset than it needs: 2024-01-02T03:04:05+00.
func isoTime(v gvariant.Value) string {
	seconds, _ := summary.Time(v)
	t := time.Unix(int64(seconds), 0)
	if seconds > 1<<40 || t.Year() > 9999 {
		return "invalid"
	}
	zone := t.Format("-07:00:00")
	for len(zone) > 3 && zone[len(zone)-3:] == ":00" {
		zone = zone[:len(zone)-3]
	}
	return t.Format("2006-01-02T15:04:05") + zone
}

// jsonSummary is a summary in JSON output. Metadata values are GVariant text.
type jsonSummary struct {
	Refs     []jsonSummaryRef  `json:"refs"`
	Metadata map[string]string `json:"metadata"`
	Signed   bool              `json:"signed"`

	Signatures []openpgp.Signature `json:"gpgSignatures,omitempty"`
	Engines    map[sign.Type]int   `json:"signatures,omitempty"` // how many, by engine
}

type jsonSummaryRef struct {
	Collection string            `json:"collection,omitempty"`
	Ref        string            `json:"ref"`
	Commit     object.Checksum   `json:"commit"`
	Size       uint64            `json:"size"` // of the commit object, in bytes
	Metadata   map[string]string `json:"metadata"`
}

func summaryJSON(env *cli.Env, repo *ostreerepo.Repo, data []byte, s *summary.Summary) error {
	collections, err := s.Collections()
	if err != nil {
		return err
	}
	out := jsonSummary{Refs: []jsonSummaryRef{}, Metadata: metadataJSON(s.Metadata, dump{})}
	delete(out.Metadata, summary.CollectionMapKey) // its refs are among Refs
	own := summary.Collection{ID: s.CollectionID(), Refs: s.Refs}
	for _, c := range append([]summary.Collection{own}, collections...) {
		for _, ref := range c.Refs {
			out.Refs = append(out.Refs, jsonSummaryRef{c.ID, ref.Name, ref.Commit, ref.Size, metadataJSON(ref.Metadata, dump{})})
		}
	}
	signatures, signed, err := repo.SummarySignatures()
	if err != nil {
		return err
	}
	out.Signed = signed
	result, err := new(verdict).of(repo, data, signatures)
	if err != nil {
		return err
	}
	if result != nil {
		out.Signatures = result.Signatures
	}
	out.Engines = countSignatures(signatures)
	return env.JSON(out)
}

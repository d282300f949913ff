package keyfile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/treenail/treenail/format/keyfile"
)

// with returns a file with a single value, written as it is.
func with(t *testing.T, value string) *keyfile.File {
	t.Helper()
	f := keyfile.New()
	if err := f.Set("g", "k", value); err != nil {
		t.Fatal(err)
	}
	return f
}

func checkValueError(t *testing.T, what, value string, err error) {
	t.Helper()
	var valueErr *keyfile.ValueError
	if !errors.As(err, &valueErr) || valueErr.Group != "g" || valueErr.Key != "k" || valueErr.Value != value {
		t.Errorf("%s of %q: error %v, want a *ValueError", what, value, err)
		return
	}
	if prefix := "Key file contains key “k” which has a value that cannot be interpreted"; !strings.HasPrefix(err.Error(), prefix) {
		t.Errorf("%s of %q: error %q, want %s", what, value, err, prefix)
	}
}

func TestString(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "a b": "a b", `a\sb\tc\nd\re\\f`: "a b\tc\nd\re\\f", `\s`: " ", "a;b": "a;b", "é ": "é ", `\\n`: `\n`,
	} {
		got, ok, err := with(t, value).String("g", "k")
		if got != want || !ok || err != nil {
			t.Errorf("String of %q = %q, %t, %v, want %q", value, got, ok, err, want)
		}
	}
	for _, value := range []string{`\x`, `a\`, `a\;b`, `\é`, "a\xff"} {
		_, ok, err := with(t, value).String("g", "k")
		checkValueError(t, "String", value, err)
		if !ok {
			t.Errorf("String of %q tells that the key is missing", value)
		}
	}
	if got, ok, err := with(t, "").String("g", "x"); got != "" || ok || err != nil {
		t.Errorf("String of a missing key = %q, %t, %v", got, ok, err)
	}
}

func TestLookup(t *testing.T) {
	f := with(t, `a\sb`)
	if got, err := f.Lookup("g", "k"); got != "a b" || err != nil {
		t.Errorf("Lookup = %q, %v", got, err)
	}
	for _, test := range []struct {
		group, key string
		want       keyfile.NotFoundError
		message    string
	}{
		{"g", "foo", keyfile.NotFoundError{Group: "g", Key: "foo"}, "Key file does not have key “foo” in group “g”"},
		{"x", "foo", keyfile.NotFoundError{Group: "x"}, "Key file does not have group “x”"},
		{"", "", keyfile.NotFoundError{}, "Key file does not have group “”"},
	} {
		_, err := f.Lookup(test.group, test.key)
		var notFound *keyfile.NotFoundError
		if !errors.As(err, &notFound) || *notFound != test.want || err.Error() != test.message {
			t.Errorf("Lookup(%q, %q): error %v, want %s", test.group, test.key, err, test.message)
		}
	}
	_, err := with(t, `\`).Lookup("g", "k")
	checkValueError(t, "Lookup", `\`, err)
}

func TestList(t *testing.T) {
	for _, test := range []struct {
		value string
		want  []string
	}{
		{"", []string{}},
		{"a", []string{"a"}},
		{"a;", []string{"a"}},
		{"a;b", []string{"a", "b"}},
		{"a;b;", []string{"a", "b"}},
		{";", []string{""}},
		{";;", []string{"", ""}},
		{"a;;b", []string{"a", "", "b"}},
		{"a ; b ", []string{"a ", " b "}},
		{`a\;b;c`, []string{"a;b", "c"}},
		{`a\sb;\s`, []string{"a b", " "}},
		{`a\\;b`, []string{`a\`, "b"}},
	} {
		got, err := with(t, test.value).List("g", "k")
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("List of %q: %v %s", test.value, err, diff)
		}
	}
	for _, value := range []string{`a\xb;c`, `a;\`, "a;\xff"} {
		_, err := with(t, value).List("g", "k")
		checkValueError(t, "List", value, err)
	}
	if got, err := with(t, "").List("g", "x"); got != nil || err != nil {
		t.Errorf("List of a missing key = %q, %v", got, err)
	}
}

func TestBool(t *testing.T) {
	for value, want := range map[string]bool{
		"true": true, "1": true, "false": false, "0": false, "true ": true, "true \t": true, "false\t": false,
	} {
		if got, err := with(t, value).Bool("g", "k", !want); got != want || err != nil {
			t.Errorf("Bool of %q = %t, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "True", "TRUE", "yes", "tru", "truex", "true x", "01", " true", "true\u00a0", `\strue`} {
		_, err := with(t, value).Bool("g", "k", true)
		checkValueError(t, "Bool", value, err)
	}
	for _, def := range []bool{true, false} {
		if got, err := with(t, "").Bool("g", "x", def); got != def || err != nil {
			t.Errorf("Bool of a missing key with default %t = %t, %v", def, got, err)
		}
	}
}

func TestInt(t *testing.T) {
	for value, want := range map[string]int{
		"1": 1, "-1": -1, "+1": 1, " 1": 1, "1 ": 1, "1 x": 1, "1\t2": 1, "010": 10,
		"2147483647": 2147483647, "-2147483648": -2147483648,
	} {
		if got, err := with(t, value).Int("g", "k", 7); got != want || err != nil {
			t.Errorf("Int of %q = %d, %v", value, got, err)
		}
	}
	for _, value := range []string{"", " ", "x", "1x", "0x10", "1.5", "1_0", "2147483648", "-2147483649", "99999999999999999999"} {
		_, err := with(t, value).Int("g", "k", 7)
		checkValueError(t, "Int", value, err)
	}
	if got, err := with(t, "").Int("g", "x", 7); got != 7 || err != nil {
		t.Errorf("Int of a missing key = %d, %v", got, err)
	}
}

func TestEscape(t *testing.T) {
	for _, test := range []struct{ text, str, list string }{
		{"", "", ";b;"},
		{"a", "a", "a;b;"},
		{" a", `\sa`, `\sa;b;`},
		{" \t a b ", `\s\t\sa b `, `\s\t\sa b ;b;`},
		{"a\nb\r\tc", `a\nb\r` + "\tc", `a\nb\r` + "\tc;b;"},
		{`\ a`, `\\ a`, `\\ a;b;`},
		{"a;; b", "a;; b", `a\;\;\sb;b;`},
		{"\n a", `\n\sa`, `\n\sa;b;`},
		{"\t\\\t", `\t\\` + "\t", `\t\\` + "\t;b;"},
		{"é", "é", "é;b;"},
	} {
		f := keyfile.New()
		if err := errors.Join(f.SetString("g", "s", test.text), f.SetList("g", "l", []string{test.text, "b"})); err != nil {
			t.Fatal(err)
		}
		if got, _ := f.Value("g", "s"); got != test.str {
			t.Errorf("SetString of %q writes %q, want %q", test.text, got, test.str)
		}
		if got, _ := f.Value("g", "l"); got != test.list {
			t.Errorf("SetList of %q writes %q, want %q", test.text, got, test.list)
		}
		if got, _, err := f.String("g", "s"); got != test.text || err != nil {
			t.Errorf("%q is read as %q, %v", test.text, got, err)
		}
		if got, err := f.List("g", "l"); !cmp.Equal(got, []string{test.text, "b"}) || err != nil {
			t.Errorf("%q in a list is read as %q, %v", test.text, got, err)
		}
	}
	f := keyfile.New()
	if err := f.SetList("g", "l", nil); err != nil {
		t.Fatal(err)
	}
	if got := string(f.Bytes()); got != "[g]\nl=\n" {
		t.Errorf("empty list is written as %q", got)
	}
}

package oci_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/treenail/treenail/oci"
)

func TestCanonicalJSON(t *testing.T) {
	tests := []struct{ name, in, want, err string }{
		{
			name: "the example of RFC 8785",
			in: `{ "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
				"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }`,
			want: `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		},
		{
			name: "sorting by UTF-16",
			in:   `{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`,
			want: "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"\u00f6\":7,\"\u20ac\":1,\"\U0001F600\":5,\"\ufb33\":3}",
		},
		{name: "no HTML escapes", in: `"<a&b>\u2028"`, want: "\"<a&b>\u2028\""},
		{name: "control characters", in: `"\u0000\u0008\u0009\u000c\u001f\u007f"`, want: "\"\\u0000\\b\\t\\f\\u001f\x7f\""},
		{name: "empty", in: ` [ { } , [ ] , "" ] `, want: `[{},[],""]`},
		{name: "minus zero", in: `-0.0`, want: `0`},
		{name: "large", in: `[1e20,1e21,9007199254740992]`, want: `[100000000000000000000,1e+21,9007199254740992]`},
		{name: "small", in: `[0.000001,0.0000001]`, want: `[0.000001,1e-7]`},
		{name: "repeated member", in: `{"a":1,"b":2,"a":3}`, err: `canonical JSON: member "a" appears twice`},
		{name: "inexact integer", in: `9007199254740993`, err: "canonical JSON: integer 9007199254740993 does not fit in a double"},
		{name: "out of range", in: `1e999`, err: "canonical JSON: number 1e999 is out of range"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := oci.CanonicalJSON(json.RawMessage(test.in))
			checkError(t, err, test.err)
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestCanonicalJSONRefusesDeepNesting(t *testing.T) {
	deep := bytes.Repeat([]byte("["), 1<<20)
	if _, err := oci.CanonicalJSON(json.RawMessage(deep)); err == nil {
		t.Error("no error")
	}
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{`{"b":[1,2.5,-0,1e30],"a":{"é":"\u0000\ud83d\ude00"}}`, `null`, `"\ud800"`, `[9007199254740993]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := oci.CanonicalJSON(json.RawMessage(data))
		if err != nil {
			return
		}
		twice, err := oci.CanonicalJSON(json.RawMessage(once))
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s\nbecomes %s (%v)", once, twice, err)
		}
		var a, b any
		if json.Unmarshal(data, &a) == nil && json.Unmarshal(once, &b) == nil {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			if x, y := bytes.ReplaceAll(x, []byte("-0"), []byte("0")), bytes.ReplaceAll(y, []byte("-0"), []byte("0")); !bytes.Equal(x, y) {
				t.Errorf("value changed from %s to %s", x, y)
			}
		}
	})
}

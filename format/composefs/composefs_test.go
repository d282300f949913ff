package composefs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/composefs"
	"github.com/treenail/treenail/format/fsverity"
	"github.com/treenail/treenail/format/object"
)

// The digests in these tests are those of mkcomposefs 1.0.8, which was given the
// same dumps.

func parse(t testing.TB, dump string) *composefs.Node {
	t.Helper()
	root, err := composefs.ParseDump(strings.NewReader(dump))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func digestOf(t testing.TB, root *composefs.Node) string {
	t.Helper()
	digest, err := composefs.Write(io.Discard, root)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(digest[:])
}

const rootLine = "/ 0 40755 2 0 0 0 0.0 - - -\n"

func TestKnownImages(t *testing.T) {
	for _, c := range []struct{ name, dump, sum, digest string }{
		{"empty", rootLine,
			"c3dc5b0fc4afb0693a95e017fe5815e1f88f204d485df617541b5ea659aefb8b",
			"8f589e8f57ecb88823736b0d857ddca1e1068a23e264fad164b28f7038eb3682"},
		{"files", rootLine +
			"/a 4 100644 1 0 0 0 0.0 ab/cd.file - ebaa23af194a798df610e5fe2bd10725c9c4a3a56a6b62d4d0ee551d4fc4be27\n" +
			"/b 4 100644 1 0 0 0 0.0 ab/cd.file - -\n" +
			"/c 0 100644 1 0 0 0 0.0 - - -\n",
			"646f7cadd9bb63fa44d43582926b8acb22353d82d444207012b62ef7ee455bc7",
			"ef4664b0727e68ada945285a12e519429a57315d2e8b2b50b54abec97208bc7b"},
		{"links", "/ 0 40755 2 0 0 0 1700000000.5 - - -\n" +
			"/a 3 100644 1 70000 0 0 1700000001.0 - yes -\n" +
			"/d 0 40700 2 0 0 0 0.0 - - -\n" +
			"/d/l 6 120777 1 0 0 0 0.0 target - -\n" +
			"/d/p 0 10600 1 0 0 0 0.0 - - -\n" +
			"/h 3 @100644 1 0 0 0 0.0 /a - -\n",
			"611cc5b501d5f4ccc662e468c200c2d27bcdf9f163f8ebd8aebd1e70a008b374",
			"a4c94485e21a479812b5a37a2821e8b97ea8d067add25068fd56cb80c4d9cb0b"},
		{"whiteout", rootLine +
			"/d 0 40755 2 0 0 0 0.0 - - -\n" +
			"/d/gone 0 20644 1 0 0 0 0.0 - - -\n" +
			"/d/null 0 20666 1 0 0 259 0.0 - - -\n",
			"e301fb835762a1240493649c8a1ea4818d81be14f4f0501dc8eafb43d6c5735a",
			"5dfce3b99fd53b8a86714ab65f6338b0b460d7d2253df3c3e1bce9f9151e34ef"},
		{"xattrs", "/ 0 40755 2 0 0 0 0.0 - - - security.selinux=root_t\\x00\n" +
			"/a 0 100644 1 0 0 0 0.0 - - - security.selinux=root_t\\x00 user.one=1\n" +
			"/b 0 100644 1 0 0 0 0.0 - - - trusted.overlay.opaque=y\n" +
			"/ff 0 40755 2 0 0 0 0.0 - - - system.posix_acl_default=\\x02\n",
			"9683edd262ba5f083abe6347bac07c030492657f9f37973ffffa58f1b67eb703",
			"5f1cc15d956dd4398d753003265e052873e01bee5dbc6fa25acf43a053cf792c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var image bytes.Buffer
			digest, err := composefs.Write(&image, parse(t, c.dump))
			if err != nil {
				t.Fatal(err)
			}
			if got := sha256.Sum256(image.Bytes()); hex.EncodeToString(got[:]) != c.sum {
				t.Errorf("SHA-256 of the image: %x, want %s", got, c.sum)
			}
			if hex.EncodeToString(digest[:]) != c.digest || digest != fsverity.Sum(image.Bytes()) {
				t.Errorf("digest %x, want %s", digest, c.digest)
			}
		})
	}
}

// TestRandomTrees compares larger images: those of randomTree, by seed.
func TestRandomTrees(t *testing.T) {
	for seed, want := range []string{
		"2556fb7807ef57f82fb24899ddacef5a3f1faf72df6ecbf726d9734b94731d91",
		"c929808dcc8464f31c2d75234b2b9248fa435f5598b45d04bbad945f6dfb86cc",
		"0e78675dc70687d81d9ee3218d84c94bc48d1e864b439451f84b55bfc5fee3e1",
		"a4f16ed533d38621b72cbdbf73cbffee1300edf54af68ebbfaf2a575e3022943",
		"d80ff365e913dfda67c04745e77e8ff77de072925ba806ccd95930fc52f03ecb",
		"6fbb88d8c0355194e784f841127a65ae8dd818a3fe781c76fb21aa085aea6002",
		"b9b11802435cc12544f30a7f14a37d5d4fa8b0aa1caef123c9fd1a32295df720",
		"46021075e9f1bf83d219fd44765dd5b3127be3443e8fd7c809d725d0af5bc614",
		"e49cabb893517e2a16564dba88a7227311e9cc691f0dd40be08c6ab4cfcc3591",
		"dd5869a7bcb6c48a0961864d15a7f7308d892f5a5b0b1f53c7c1a2f5ebac1884",
		"ce5de731c814459f0f9394b448e12ff3cb74417743f0e43289389cbf7ce6aa19",
		"2a99f2419f3cc78747c4321f290525576397f337445423abec3232ea95e56ad2",
		"04bd1ff0889f171f22839100c2e4709ed84d92e764564b79d40901c280cb4cc9",
		"9109c4250862cfb25e742d50a10303b06deed9b7e81797f6cda81d7b15c0a381",
		"6a1b7e7063ed5a8dca120d18b53dc49ef4c6b6a2fb513b2095f857303b6a7ce5",
		"788c376f3bf470fbb432b5b85a05a65fe7c8f9ba4326896edfb1191a693c4078",
		"5b7c031ab8320433986427e5e96d403420579552f9c62e63f0d9fcea71a4c2c9",
		"5df6bfd2ae0c65f30cf3c8ddcf7e46a00f1ec112ea3310cd9eafe034c6bc3179",
		"7efa8959f9d5b7b9aa8507cd404785b32d6f1271d38b46d05e9037cf3f3b1504",
		"860c18725aca5e3c03720c529a292f7f5191604d0ddeaef43c067414a61fab5e",
		"0f6eec58e48fe1d07a3d8d5b0baf7cb0e61bd1bf3e27c24784f9e43dec6d2814",
		"15f20cb6ecbc6f3efd8a1a4f9d5b93ee72b6b6790317f52109f3f608b560e275",
		"9c183ca6bfe257a7a147b9669bdd8f975001591f131827a2afa273e9c61a79e6",
		"b7b61ad1c27567e3a0053e445c697f2966217628c5d8903769cdac1e587512e4",
	} {
		if got := digestOf(t, randomTree(uint64(seed))); got != want {
			t.Errorf("seed %d: digest %s, want %s", seed, got, want)
		}
	}
}

// TestOrder shows that the order of children and xattrs does not matter, and that
// Write leaves the tree alone.
func TestOrder(t *testing.T) {
	root := randomTree(1)
	want, before := digestOf(t, root), dump(root)
	reverse(root)
	if got := digestOf(t, root); got != want {
		t.Errorf("backwards: digest %s, want %s", got, want)
	}
	reverse(root)
	if got := digestOf(t, root); got != want || dump(root) != before {
		t.Errorf("once more: digest %s, want %s", got, want)
	}
}

func reverse(n *composefs.Node) {
	slices.Reverse(n.Children)
	slices.Reverse(n.Xattrs)
	for _, child := range n.Children {
		reverse(child)
	}
}

func TestWriteRefuses(t *testing.T) {
	file := func(n composefs.Node) *composefs.Node {
		if n.Name == "" {
			n.Name = "x"
		}
		if n.Mode == 0 {
			n.Mode = 0o100644
		}
		return &n
	}
	outside, dir := file(composefs.Node{Name: "o"}), file(composefs.Node{Name: "d", Mode: 0o40755})
	for _, c := range []struct {
		err      string
		children []*composefs.Node
	}{
		{`path /.: invalid name "."`, []*composefs.Node{file(composefs.Node{Name: "."})}},
		{`path /..: invalid name ".."`, []*composefs.Node{file(composefs.Node{Name: ".."})}},
		{`path /: invalid name ""`, []*composefs.Node{{Mode: 0o100644}}},
		{`path /a/b: name "a/b" has a slash or NUL`, []*composefs.Node{file(composefs.Node{Name: "a/b"})}},
		{"is longer than 255 bytes", []*composefs.Node{file(composefs.Node{Name: strings.Repeat("n", 256)})}},
		{"path /x: the name is there twice", []*composefs.Node{file(composefs.Node{}), file(composefs.Node{})}},
		{"path /x: invalid mode 644", []*composefs.Node{file(composefs.Node{Mode: 0o644})}},
		{"path /x: invalid mode 1100644", []*composefs.Node{file(composefs.Node{Mode: 0o1100644})}},
		{"path /x: symlink without a target", []*composefs.Node{file(composefs.Node{Mode: 0o120777})}},
		{"path of 4096 bytes exceeds", []*composefs.Node{file(composefs.Node{Payload: strings.Repeat("p", 4096)})}},
		{`path "a\x00" has a NUL`, []*composefs.Node{file(composefs.Node{Payload: "a\x00"})}},
		{"content of 5001 bytes exceeds", []*composefs.Node{file(composefs.Node{Content: make([]byte, 5001), Size: 5001})}},
		{"content of 1 bytes for a file of 2", []*composefs.Node{file(composefs.Node{Content: []byte("x"), Size: 2})}},
		{"is too large", []*composefs.Node{file(composefs.Node{Size: math.MaxInt64})}},
		{"not a directory, but", []*composefs.Node{file(composefs.Node{Children: []*composefs.Node{outside}})}},
		{"invalid xattr name", []*composefs.Node{file(composefs.Node{Xattrs: object.Xattrs{{}}})}},
		{"xattrs of 65561 bytes exceed", []*composefs.Node{file(composefs.Node{Xattrs: object.Xattrs{{Name: "user.a", Value: make([]byte, 65536)}}})}},
		{"path /x: xattrs of 32768 bytes exceed", []*composefs.Node{file(composefs.Node{Xattrs: object.Xattrs{{Name: "user.a", Value: make([]byte, 32743)}}})}},
		{"path /: hard link x to what is no file", []*composefs.Node{{Name: "x", Link: outside}}},
		{"path /: hard link x to what is no file", []*composefs.Node{dir, {Name: "x", Link: dir}}},
	} {
		var out bytes.Buffer
		_, err := composefs.Write(&out, &composefs.Node{Mode: 0o40755, Children: c.children})
		if err == nil || !strings.Contains(err.Error(), c.err) || out.Len() > 0 {
			t.Errorf("%v (%d bytes written), want %s", err, out.Len(), c.err)
		}
	}
	if _, err := composefs.Write(io.Discard, outside); err == nil || err.Error() != "the root is no directory" {
		t.Error(err)
	}
}

type failing struct{ after int }

var errFull = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	if _, err := composefs.Write(&failing{100_000}, randomTree(3)); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	root := randomTree(5)
	for b.Loop() {
		digestOf(b, root)
	}
}

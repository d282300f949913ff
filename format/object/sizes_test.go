package object_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
)

func commitWithSizes(sizes gvariant.Value) *object.Commit {
	return &object.Commit{Metadata: gvariant.NewVardict(gvariant.Entry{Key: object.SizesKey, Value: sizes})}
}

func TestSizes(t *testing.T) {
	name := func(first byte, kind object.Type) object.Name {
		return object.Name{Checksum: object.Checksum{first}, Type: kind}
	}
	list := []object.Size{
		{Name: name(9, object.TypeFile), Archived: 1 << 40, Unpacked: 1<<64 - 1},
		{Name: name(3, object.TypeDirMeta), Archived: 12, Unpacked: 12},
	}
	got, err := commitWithSizes(object.EncodeSizes(list)).Sizes()
	if err != nil || !slices.Equal(got, []object.Size{list[1], list[0]}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := new(object.Commit).Sizes(); err != object.ErrNoSizes {
		t.Errorf("%v, want ErrNoSizes", err)
	}
	if _, err := commitWithSizes(gvariant.NewString("x")).Sizes(); err != object.ErrNoSizes {
		t.Errorf("%v, want ErrNoSizes", err)
	}
}

func FuzzSizes(f *testing.F) {
	sample := object.Size{Name: object.Name{Checksum: object.Checksum{1}, Type: object.TypeDirTree}, Archived: 300, Unpacked: 1 << 40}
	entry := object.EncodeSizes([]object.Size{sample}).At(0).Data()
	f.Add(entry)
	f.Add(entry[:33])
	f.Add(entry[:len(entry)-1]) // without a type, as old programs write it
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 60))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := commitWithSizes(gvariant.NewArray("ay", gvariant.NewBytes(data))).Sizes()
		if err != nil {
			return
		}
		again, err := commitWithSizes(object.EncodeSizes(list)).Sizes()
		if err != nil || !slices.Equal(list, again) {
			t.Errorf("%+v became %+v, %v", list, again, err)
		}
	})
}

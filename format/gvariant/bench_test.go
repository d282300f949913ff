package gvariant_test

import (
	"fmt"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
)

// dirtree returns the serialisation of a directory tree with n files and n/10
// subdirectories.
func dirtree(n int) []byte {
	sum := make([]byte, 32)
	files := make([]gvariant.Value, n)
	for i := range files {
		files[i] = gvariant.NewTuple(gvariant.NewString(fmt.Sprintf("file-%06d", i)), gvariant.NewBytes(sum))
	}
	dirs := make([]gvariant.Value, n/10)
	for i := range dirs {
		name := gvariant.NewString(fmt.Sprintf("dir-%06d", i))
		dirs[i] = gvariant.NewTuple(name, gvariant.NewBytes(sum), gvariant.NewBytes(sum))
	}
	return gvariant.NewTuple(gvariant.NewArray("(say)", files...), gvariant.NewArray("(sayay)", dirs...)).Bytes()
}

func BenchmarkReadDirtree(b *testing.B) {
	data := dirtree(10000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		read := 0
		files := gvariant.FromBytes("(a(say)a(sayay))", data).At(0)
		for i := range files.Len() {
			read += len(files.At(i).At(1).Data())
		}
		if read != 10000*32 {
			b.Fatal("read", read)
		}
	}
}

func BenchmarkCheckNormal(b *testing.B) {
	data := dirtree(10000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := gvariant.FromBytes("(a(say)a(sayay))", data).CheckNormal(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuildDirtree(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		dirtree(10000)
	}
}

// Package gvariant reads and writes GVariant, the serialisation format and the
// value text of GLib, which OSTree uses for everything but file contents: commits,
// directory trees, extended attributes, summaries and deltas.
//
// A [Value] is a type string and the serialised bytes, nothing more. [FromBytes]
// copies and checks nothing, and every accessor computes where a child lies when it
// is asked for it, so that reading one field of a large value costs no more than
// that field:
//
//	tree := gvariant.FromBytes("(a(say)a(sayay))", data)
//	files := tree.At(0)
//	for i := range files.Len() {
//		file := files.At(i)
//		fmt.Printf("%s %x\n", file.At(0).Str(), file.At(1).Data())
//	}
//
// The bytes of a Value must not change while it, or a value taken from it, is in use.
//
// # Bytes from outside
//
// GVariant gives a meaning to any sequence of bytes: what cannot be read has the
// default value of its type (zero, the empty string, the empty array, the unit value
// inside a variant). Accessors do the same and never panic on account of the data. Many
// byte sequences therefore mean the same value, but only one of them is in normal
// form. [Value.CheckNormal] tells; objects that are identified by a checksum have to
// pass it.
//
// An accessor for another type than the value has returns a zero value too, and
// so does an index out of range. The value of a key from outside has the type that the
// outside chose: look at [Value.Type] before relying on it.
//
// # Byte order
//
// Framing offsets are always little-endian. Integers are little-endian here, which is
// what GLib uses on little-endian hosts. OSTree stores most integers big-endian inside
// of otherwise ordinary values; [Value.Byteswap], or a swap of the single integer,
// gives their meaning.
//
// # Text
//
// [Value.Print] and [Parse] write and read the text form of GLib, as in
//
//	{'version': <'9.1'>, 'sizes': <[uint64 7, 9]>}
//
// The format is described in the "GVariant Specification" and in the chapters "GVariant
// Format Strings" and "GVariant Text Format" of the GLib manual.
package gvariant

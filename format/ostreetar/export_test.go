package ostreetar

// File writes a regular file of root, mode 0644.
func (w *Writer) File(path string, data []byte) { w.file(path, data) }

// EmptyFile turns the header of a file of one block into that of an empty one.
func EmptyFile(header []byte) []byte {
	h := block(header)
	h.setSize(0)
	h.seal()
	return h[:]
}

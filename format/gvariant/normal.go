package gvariant

import "fmt"

// CheckNormal returns nil when the value is in normal form: the one serialisation of
// it that a writer may produce. The error names the innermost type and the offset of
// the first defect.
//
// As in GLib, a value whose containers nest deeper than 128, counted through variants,
// has no normal form.
func (v Value) CheckNormal() error {
	if v.desc == nil {
		return nil
	}
	c := checker{total: cap(v.data)}
	return c.check(v, 0)
}

// A checker walks a value. Children are slices of their parent that keep its capacity,
// so the distance to the end of the outermost value gives their offset.
type checker struct{ total int }

func (c checker) errorf(v Value, format string, args ...any) error {
	return fmt.Errorf("gvariant: not in normal form: %s at offset %d: %s",
		v.Type(), c.total-cap(v.data), fmt.Sprintf(format, args...))
}

func (c checker) check(v Value, depth int) error {
	d := v.descriptor()
	if depth >= maxDepth {
		return c.errorf(v, "nested too deep")
	}
	if d.fixed > 0 && v.data == nil {
		return c.errorf(v, "not of %d bytes", d.fixed)
	}
	switch d.kind {
	case 'b':
		if v.data[0] > 1 {
			return c.errorf(v, "boolean is %d", v.data[0])
		}
	case 's', 'o', 'g':
		if _, ok := v.text(); !ok {
			return c.errorf(v, "invalid string")
		}
	case 'v':
		return c.checkVariant(v, depth)
	case 'm':
		return c.checkMaybe(v, depth)
	case 'a':
		return c.checkArray(v, depth)
	case '(', '{':
		return c.checkTuple(v, depth)
	}
	return nil
}

func (c checker) checkVariant(v Value, depth int) error {
	child, err := v.unbox(depth)
	if err != nil {
		return c.errorf(v, "%v", err)
	}
	return c.check(child, depth+1)
}

func (c checker) checkMaybe(v Value, depth int) error {
	switch n := len(v.data); {
	case n == 0:
		return nil
	case v.Len() == 0:
		return c.errorf(v, "size %d", n)
	case v.desc.elem.fixed == 0 && v.data[n-1] != 0:
		return c.errorf(v, "does not end with a zero byte")
	}
	return c.check(v.child(0), depth+1)
}

func (c checker) checkArray(v Value, depth int) error {
	n, elem := v.arrayLen(), v.desc.elem
	if n == 0 {
		if len(v.data) > 0 {
			return c.errorf(v, "size %d is impossible", len(v.data))
		}
		return nil
	}
	if elem.anyBytes() {
		return nil
	}
	end := 0
	for i := range n {
		next, err := c.checkChild(v, i, end, depth)
		if err != nil {
			return err
		}
		end = next
	}
	if elem.fixed == 0 && packedSize(end, n) != len(v.data) {
		return c.errorf(v, "framing offsets are too large")
	}
	return nil
}

// anyBytes tells whether all bytes of the right size are a value in normal form.
func (d *descriptor) anyBytes() bool {
	return d.fixed > 0 && d.kind != 'b' && d.members == nil && d != unit
}

func (c checker) checkTuple(v Value, depth int) error {
	d := v.descriptor()
	end := 0
	for i := range d.members {
		next, err := c.checkChild(v, i, end, depth)
		if err != nil {
			return err
		}
		end = next
	}
	if d.fixed > 0 {
		return c.checkZeros(v, end, d.fixed)
	}
	if packedSize(end, d.frames) != len(v.data) {
		return c.errorf(v, "framing offsets do not follow the last member")
	}
	return nil
}

// checkChild checks child i and the padding before it. End is where the child before it
// ends, the result where this one ends.
func (c checker) checkChild(v Value, i, end, depth int) (int, error) {
	d, start, next := v.bounds(i)
	if start != roundUp(end, d.mask) || next < start {
		return 0, c.errorf(v, "wrong framing offset of child %d", i)
	}
	if err := c.checkZeros(v, end, start); err != nil {
		return 0, err
	}
	if d.fixed > 0 && d.fixed != next-start {
		return 0, c.errorf(v, "no room for child %d", i)
	}
	return next, c.check(Value{desc: d, data: v.data[start:next]}, depth+1)
}

func (c checker) checkZeros(v Value, start, end int) error {
	for i := start; i < end; i++ {
		if v.data[i] != 0 {
			return c.errorf(v, "padding is not zero")
		}
	}
	return nil
}

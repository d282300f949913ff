package cli

import "strconv"

// Size writes a number of bytes as GLib does where ostree prints one: powers
// of 1000, one decimal, and a no-break space before a unit above bytes.
func Size(n uint64) string {
	if n == 1 {
		return "1 byte"
	}
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " bytes"
	}
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	value, i := float64(n)/1000, 0
	for value >= 1000 && i < len(units)-1 {
		value /= 1000
		i++
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + "\u00a0" + units[i]
}

package ostree

import "strings"

// The words that parseDate knows, in lower case. Longer forms are found by
// their first letters where GNU date allows that.

var dateMonths = []string{
	"january", "february", "march", "april", "may", "june",
	"july", "august", "september", "october", "november", "december",
}

var dateDays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// dateAliases are short forms that are more than three letters long.
var dateAliases = map[string]string{
	"sept": "september", "tues": "tuesday", "wednes": "wednesday", "thur": "thursday", "thurs": "thursday",
	"min": "minute", "sec": "second",
}

// dateUnits are the spans of time that a number may count, as what one of them
// adds.
var dateUnits = map[string]span{
	"year": {years: 1}, "month": {months: 1}, "fortnight": {days: 14}, "week": {days: 7}, "day": {days: 1},
	"hour": {seconds: 3600}, "minute": {seconds: 60}, "second": {seconds: 1},
}

// dateOrdinals count a unit or a weekday. "second" is the unit.
var dateOrdinals = map[string]int{
	"last": -1, "this": 0, "next": 1, "first": 1, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6,
	"seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12,
}

// dateShifts are words for a day, as the days they lie from today.
var dateShifts = map[string]int{"now": 0, "today": 0, "yesterday": -1, "tomorrow": 1}

// dateZones are zones by name, in minutes east of Greenwich.
var dateZones = map[string]int{
	"z": 0, "utc": 0, "ut": 0, "gmt": 0, "wet": 0, "west": 60, "bst": 60,
	"cet": 60, "met": 60, "cest": 120, "mest": 120, "eet": 120, "eest": 180, "msk": 180,
	"ist": 330, "sgt": 480, "jst": 540, "nzst": 720, "nzdt": 780,
	"nst": -210, "ndt": -150, "ast": -240, "adt": -180, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
	"mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600,
}

// letterZone is a zone by its military letter, with the sign that GNU date gave them
// until 2019 and libostree's copy still does: A is an hour west. J is none.
func letterZone(letter byte) int {
	switch {
	case letter < 'j':
		return -60 * int(letter-'a'+1)
	case letter < 'n':
		return -60 * int(letter-'a')
	case letter < 'z':
		return 60 * int(letter-'n'+1)
	}
	return 0
}

// span is a length of time by the calendar and by the clock.
type span struct{ years, months, days, seconds int }

func (s span) times(n int) span {
	return span{s.years * n, s.months * n, s.days * n, s.seconds * n}
}

func (s span) plus(o span) span {
	return span{s.years + o.years, s.months + o.months, s.days + o.days, s.seconds + o.seconds}
}

// maxDistance bounds the years, months and days that a date may lie away.
const maxDistance = 10_000_000

func (s span) tooLong() bool {
	return max(s.years, s.months, s.days) > maxDistance || min(s.years, s.months, s.days) < -maxDistance
}

// nameIndex finds word in a list by its whole name or its first three letters,
// -1 when it is neither.
func nameIndex(list []string, word string) int {
	if full, ok := dateAliases[word]; ok {
		word = full
	}
	for i, name := range list {
		if word == name || len(word) == 3 && strings.HasPrefix(name, word) {
			return i
		}
	}
	return -1
}

// unitOf finds a unit, singular or plural.
func unitOf(word string) (span, bool) {
	word = strings.TrimSuffix(word, "s")
	if full, ok := dateAliases[word]; ok {
		word = full
	}
	s, ok := dateUnits[word]
	return s, ok
}

package ostree

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseDate reads a point in time as GNU date does: seconds since 1970 after
// an @, or a sequence, in any order, of a date (2024-01-02, 1/2/2024, 2 Jan
// 2024, Jan 2, 2024, 20240102), a time (03:04, 03:04:05.5, 3pm, 0304, an ISO
// date's T03:04), a zone (+0100, +01:00, UTC, EST), a day of the week, and
// distances (2 days ago, +1 month, yesterday, last week).
//
// What is not given is taken from now: the date, and the time of day when only
// distances are given. A date alone means its midnight. Without a zone the
// local one counts.
func parseDate(text string, now time.Time) (time.Time, error) {
	p := &dateParser{now: now}
	err := p.lex(strings.ToLower(text))
	for err == nil && len(p.tokens) > 0 {
		err = p.item()
	}
	if err == nil {
		var t time.Time
		if t, err = p.result(); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("Could not parse '%s'", text)
}

var errDate = errors.New("not a date")

// dateToken is a word, an unsigned number as written, or a single character.
type dateToken struct {
	text   string
	number int // value of a number
	digits int // how many digits it has, 0 for what is no number
	spaced bool
}

// dateParser collects what the items of a date say. Fields are nil or false
// until an item sets them.
type dateParser struct {
	now    time.Time
	tokens []dateToken

	epoch       *time.Time
	date        *[3]int // year, month, day
	clock       *[3]int // hour, minute, second
	zone        *int    // minutes east
	yearMissing bool    // date has the current year, another may follow
	weekday     int
	nth         int
	weekdays    bool
	distance    span
	distances   bool
}

// maxDigits bounds a number, so that sums of what it counts do not overflow.
const maxDigits = 12

// lex splits text into tokens.
func (p *dateParser) lex(text string) error {
	spaced := false
	for len(text) > 0 {
		n := 1
		switch c := text[0]; {
		case c == ' ' || c == '\t' || c == '\n':
			spaced = true
			text = text[1:]
			continue
		case isDigit(c):
			n = spanOf(text, isDigit)
		case isLetter(c):
			n = spanOf(text, isLetter)
		}
		t := dateToken{text: text[:n], spaced: spaced}
		if isDigit(text[0]) {
			number, err := strconv.Atoi(t.text)
			if err != nil || n > maxDigits {
				return errDate
			}
			t.number, t.digits = number, n
		}
		p.tokens = append(p.tokens, t)
		text, spaced = text[n:], false
	}
	return nil
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }

func spanOf(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

// peek is the i-th token from here, an empty one beyond the end.
func (p *dateParser) peek(i int) dateToken {
	if i < len(p.tokens) {
		return p.tokens[i]
	}
	return dateToken{}
}

func (p *dateParser) skip(n int) { p.tokens = p.tokens[n:] }

// take skips a token if it is this one.
func (p *dateParser) take(text string) bool {
	if p.peek(0).text != text {
		return false
	}
	p.skip(1)
	return true
}

// item reads the next item.
func (p *dateParser) item() error {
	t := p.peek(0)
	switch {
	case t.text == "@":
		return p.epochSeconds()
	case t.text == ",":
		p.skip(1)
		return nil
	case t.text == "+" || t.text == "-":
		return p.signed()
	case t.digits > 0:
		return p.numeric()
	case isLetter((t.text + "-")[0]):
		return p.word()
	}
	return errDate
}

// epochSeconds reads @SECONDS, which stands alone. A fraction is cut off.
func (p *dateParser) epochSeconds() error {
	p.skip(1)
	sign := 1
	if p.take("-") {
		sign = -1
	} else {
		p.take("+")
	}
	t := p.peek(0)
	if t.digits == 0 {
		return errDate
	}
	p.skip(1)
	p.fraction()
	if len(p.tokens) > 0 || p.epoch != nil {
		return errDate
	}
	at := time.Unix(int64(sign*t.number), 0)
	p.epoch = &at
	return nil
}

// fraction skips the decimals of a second.
func (p *dateParser) fraction() {
	if dot := p.peek(0).text; (dot == "." || dot == ",") && p.peek(1).digits > 0 && !p.peek(1).spaced {
		p.skip(2)
	}
}

// signed reads +N UNIT or -N UNIT, or a zone after a time: +HHMM, +HH:MM, +H.
func (p *dateParser) signed() error {
	sign := 1
	if p.peek(0).text == "-" {
		sign = -1
	}
	p.skip(1)
	t := p.peek(0)
	if t.digits == 0 {
		return errDate
	}
	if unit, ok := unitOf(p.peek(1).text); ok {
		p.skip(2)
		p.addDistance(unit, sign*t.number)
		return nil
	}
	if p.clock == nil {
		return errDate
	}
	p.skip(1)
	return p.offset(sign, t)
}

// offset reads the rest of a zone whose first number is t.
func (p *dateParser) offset(sign int, t dateToken) error {
	hours, minutes := t.number, 0
	switch {
	case p.peek(0).text == ":" && p.peek(1).digits > 0:
		minutes = p.peek(1).number
		p.skip(2)
	case t.digits > 2:
		hours, minutes = t.number/100, t.number%100
	}
	if hours > 24 || minutes > 59 {
		return errDate
	}
	return p.setZone(sign * (hours*60 + minutes))
}

func (p *dateParser) setZone(minutes int) error {
	if p.zone != nil {
		return errDate
	}
	p.zone = &minutes
	return nil
}

func (p *dateParser) setDate(year, month, day int) error {
	if p.date != nil {
		return errDate
	}
	p.date = &[3]int{year, month, day}
	return nil
}

func (p *dateParser) setClock(hour, minute, second int) error {
	if p.clock != nil || hour > 23 || minute > 59 || second > 60 {
		return errDate
	}
	p.clock = &[3]int{hour, minute, second}
	return nil
}

// addDistance adds n units to the date; "ago" after it turns it round.
func (p *dateParser) addDistance(unit span, n int) {
	if p.take("ago") {
		n = -n
	}
	p.distance = p.distance.plus(unit.times(n))
	p.distances = true
}

// result puts together what the items said.
func (p *dateParser) result() (time.Time, error) {
	if p.epoch != nil {
		return *p.epoch, nil
	}
	location := p.now.Location()
	if p.zone != nil {
		location = time.FixedZone("", *p.zone*60)
	}
	now := p.now.In(location)
	year, month, day := now.Date()
	if p.date != nil {
		year, month, day = p.date[0], time.Month(p.date[1]), p.date[2]
	}
	hour, minute, second := p.timeOfDay(now)
	t := time.Date(year, month, day, hour, minute, second, 0, location)
	if t.Day() != day || t.Month() != month {
		return t, errDate // there is no such day
	}
	if p.weekdays && p.date == nil {
		t = t.AddDate(0, 0, p.daysToWeekday(t))
	}
	d := p.distance
	if d.tooLong() {
		return t, errDate
	}
	t = t.AddDate(d.years, d.months, d.days)
	return time.Unix(t.Unix()+int64(d.seconds), 0), nil
}

// timeOfDay is the time given, or now's when only distances are, or midnight.
func (p *dateParser) timeOfDay(now time.Time) (hour, minute, second int) {
	switch {
	case p.clock != nil:
		return p.clock[0], p.clock[1], p.clock[2]
	case p.distances && p.date == nil && !p.weekdays:
		return now.Clock()
	}
	return 0, 0, 0
}

// daysToWeekday counts from t to the weekday: today counts as the next one,
// unless an ordinal asks for one further on.
func (p *dateParser) daysToWeekday(t time.Time) int {
	days := (p.weekday - int(t.Weekday()) + 7) % 7
	weeks := p.nth
	if weeks > 0 && days != 0 {
		weeks--
	}
	return days + 7*weeks
}

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
// date's T03:04), a zone (+0100 after a time, UTC, EST, UTC+1, a letter), a day of
// the week, and distances (2 days ago, +1 month, yesterday, last week). A rule
// TZ="Europe/Berlin" may stand before it, and what is in parentheses says nothing.
//
// What is not given is taken from now: the date, and the time of day when only
// distances are given. A date alone means its midnight. Without a zone the
// local one counts.
func parseDate(text string, now time.Time) (time.Time, error) {
	p := &dateParser{now: now}
	rest, err := p.rule(text)
	if err == nil {
		err = p.lex(strings.ToLower(rest))
	}
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
	afterClock  bool    // the last item was a time that a zone may follow
	weekday     int
	nth         int
	weekdays    bool
	distance    span
	distances   bool
}

// maxDigits bounds a number, so that sums of what it counts do not overflow. One
// with more is tooBig for anything but decimals.
const (
	maxDigits = 12
	tooBig    = -1
)

// rule takes the local zone from TZ="NAME" at the beginning of text, and returns
// what follows.
func (p *dateParser) rule(text string) (string, error) {
	quoted, found := strings.CutPrefix(strings.TrimLeft(text, " \t\n"), `TZ="`)
	if !found {
		return text, nil
	}
	name, rest, closed := strings.Cut(quoted, `"`)
	if name == "UTC0" {
		name = "UTC"
	}
	location, err := time.LoadLocation(name)
	if err != nil || !closed {
		return "", errDate
	}
	p.now = p.now.In(location)
	return rest, nil
}

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
		case c == '(':
			spaced = true
			text = text[comment(text):]
			continue
		case isDigit(c):
			n = spanOf(text, isDigit)
		case isLetter(c):
			n = spanOf(text, isInWord)
		}
		p.tokens = append(p.tokens, newToken(text[:n], spaced))
		text, spaced = text[n:], false
	}
	return nil
}

// newToken makes a token of a word, which is found without its periods ("a.m."), a
// number, or a character.
func newToken(text string, spaced bool) dateToken {
	t := dateToken{text: text, spaced: spaced}
	switch {
	case isDigit(text[0]):
		t.digits, t.number = len(text), tooBig
		if len(text) <= maxDigits {
			t.number, _ = strconv.Atoi(text)
		}
	case isLetter(text[0]):
		t.text = strings.ReplaceAll(text, ".", "")
	}
	return t
}

// comment is how long the parentheses are that text begins with; they may nest, and
// stay open.
func comment(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }
func isInWord(c byte) bool { return isLetter(c) || c == '.' }

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
	t, afterClock := p.peek(0), p.afterClock
	p.afterClock = false
	switch {
	case t.number == tooBig:
		return errDate
	case t.text == "@":
		return p.epochSeconds()
	case t.text == "+" || t.text == "-":
		return p.signed(afterClock)
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
	if t.digits == 0 || t.number == tooBig {
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

// signed reads +N UNIT or -N UNIT, or right after a time a zone: +HHMM, +HH:MM, +H.
// A sign before anything else says nothing.
func (p *dateParser) signed(afterClock bool) error {
	sign := 1
	if p.peek(0).text == "-" {
		sign = -1
	}
	p.skip(1)
	t := p.peek(0)
	switch unit, ok := unitOf(p.peek(1).text); {
	case t.digits == 0:
		return nil
	case t.number == tooBig:
		return errDate
	case afterClock:
		p.skip(1)
		minutes, err := p.offset(sign, t)
		if err != nil {
			return err
		}
		return p.setZone(minutes)
	case ok:
		p.skip(2)
		p.addDistance(unit, sign*t.number)
		return nil
	}
	return errDate
}

// offset reads the rest of a zone whose first number is t, as minutes.
func (p *dateParser) offset(sign int, t dateToken) (int, error) {
	hours, minutes := t.number, 0
	switch {
	case p.peek(0).text == ":" && p.peek(1).digits > 0:
		minutes = p.peek(1).number
		p.skip(2)
	case t.digits > 2:
		hours, minutes = t.number/100, t.number%100
	}
	if min(hours, minutes) < 0 || hours > 24 || minutes > 59 {
		return 0, errDate
	}
	return sign * (hours*60 + minutes), nil
}

func (p *dateParser) setZone(minutes int) error {
	if p.zone != nil {
		return errDate
	}
	p.zone = &minutes
	return nil
}

func (p *dateParser) setDate(year, month, day int) error {
	if p.date != nil || min(year, month, day) < 0 {
		return errDate
	}
	p.date = &[3]int{year, month, day}
	return nil
}

func (p *dateParser) setClock(hour, minute, second int) error {
	if p.clock != nil || min(hour, minute, second) < 0 || hour > 23 || minute > 59 || second > 60 {
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

package ostree

// numeric reads an item that begins with a number: a time, a date, a distance
// or the nth weekday.
func (p *dateParser) numeric() error {
	t, next, after := p.peek(0), p.peek(1), p.peek(2)
	switch {
	case next.text == ":" && after.digits > 0:
		return p.clockTime()
	case next.text == "/" && after.digits > 0:
		return p.slashDate()
	case next.text == "-" && !next.spaced && p.peek(3).text == "-":
		return p.dashDate()
	case next.text == "am" || next.text == "pm":
		p.skip(1)
		return p.setClock12(t.number, 0, 0)
	case nameIndex(dateMonths, next.text) >= 0:
		p.skip(2)
		if after.digits > 0 {
			p.skip(1)
			return p.setDate(fullYear(after), nameIndex(dateMonths, next.text)+1, t.number)
		}
		return p.monthDay(next, t)
	case nameIndex(dateDays, next.text) >= 0:
		p.skip(2)
		return p.setWeekday(next.text, t.number)
	}
	if unit, ok := unitOf(next.text); ok {
		p.skip(2)
		p.addDistance(unit, t.number)
		return nil
	}
	p.skip(1)
	return p.bareNumber(t)
}

// clockTime reads H:MM or H:MM:SS with decimals, and am or pm.
func (p *dateParser) clockTime() error {
	hour, minute, second := p.peek(0).number, p.peek(2).number, 0
	p.skip(3)
	if p.peek(0).text == ":" && p.peek(1).digits > 0 {
		second = p.peek(1).number
		p.skip(2)
		p.fraction()
	}
	p.afterClock = true
	return p.setClock12(hour, minute, second)
}

// setClock12 sets the time, of the half of the day that am or pm says.
func (p *dateParser) setClock12(hour, minute, second int) error {
	half := p.peek(0).text
	if half != "am" && half != "pm" {
		return p.setClock(hour, minute, second)
	}
	p.skip(1)
	if hour < 1 || hour > 12 {
		return errDate
	}
	hour %= 12
	if half == "pm" {
		hour += 12
	}
	return p.setClock(hour, minute, second)
}

// slashDate reads M/D, M/D/Y or Y/M/D.
func (p *dateParser) slashDate() error {
	a, b := p.peek(0), p.peek(2)
	p.skip(3)
	if p.peek(0).text != "/" || p.peek(1).digits == 0 {
		p.yearMissing = true
		return p.setDate(p.now.Year(), a.number, b.number)
	}
	c := p.peek(1)
	p.skip(2)
	if a.digits >= 4 {
		return p.setDate(a.number, b.number, c.number)
	}
	return p.setDate(fullYear(c), a.number, b.number)
}

// dashDate reads Y-M-D, with the T of an ISO time after it, or D-MONTH-Y.
func (p *dateParser) dashDate() error {
	first, month, last := p.peek(0), p.peek(2), p.peek(4)
	if last.digits == 0 {
		return errDate
	}
	p.skip(5)
	if m := nameIndex(dateMonths, month.text); m >= 0 {
		return p.setDate(fullYear(last), m+1, first.number)
	}
	if month.digits == 0 {
		return errDate
	}
	if p.take("t") && p.peek(0).digits == 0 {
		return errDate
	}
	return p.setDate(fullYear(first), month.number, last.number)
}

// monthDay sets a date from a month's name and a day, and the year if it is
// next: "2 Jan 2024", "Jan 2, 2024". A number before a colon is a time.
func (p *dateParser) monthDay(month, day dateToken) error {
	p.take(",")
	year := p.now.Year()
	if t := p.peek(0); t.digits > 2 && p.peek(1).text != ":" {
		p.skip(1)
		year = t.number
	} else {
		p.yearMissing = true
	}
	return p.setDate(year, nameIndex(dateMonths, month.text)+1, day.number)
}

// bareNumber takes a number by its length: a year that a date lacks, YYYYMMDD,
// HHMM or HH.
func (p *dateParser) bareNumber(t dateToken) error {
	switch {
	case p.yearMissing && !p.distances && (p.clock != nil || t.digits > 2):
		p.date[0], p.yearMissing = fullYear(t), false
		return nil
	case t.digits > 4:
		return p.setDate(t.number/10000, t.number/100%100, t.number%100)
	case t.digits > 2:
		return p.setClock(t.number/100, t.number%100, 0)
	}
	p.afterClock = true
	return p.setClock(t.number, 0, 0)
}

// fullYear adds the century to a year of two digits, with 69 as the first one
// of the last century.
func fullYear(t dateToken) int {
	switch {
	case t.digits != 2:
		return t.number
	case t.number < 69:
		return 2000 + t.number
	}
	return 1900 + t.number
}

// word reads an item that begins with a word.
func (p *dateParser) word() error {
	t, next := p.peek(0), p.peek(1)
	p.skip(1)
	if shift, ok := dateShifts[t.text]; ok {
		p.addDistance(span{days: shift}, 1)
		return nil
	}
	if unit, ok := unitOf(t.text); ok {
		p.addDistance(unit, 1)
		return nil
	}
	if n, ok := dateOrdinals[t.text]; ok {
		return p.ordinal(n, next)
	}
	if nameIndex(dateMonths, t.text) >= 0 && next.digits > 0 {
		p.skip(1)
		return p.monthDay(t, next)
	}
	if minutes, ok := dateZones[t.text]; ok {
		return p.zoneShift(minutes)
	}
	if len(t.text) == 1 && t.text != "j" {
		return p.setZone(letterZone(t.text[0]))
	}
	return p.setWeekday(t.text, 0)
}

// zoneShift reads what changes a zone by name: "DST", or an offset.
func (p *dateParser) zoneShift(minutes int) error {
	sign, t := p.peek(0).text, p.peek(1)
	if p.take("dst") {
		return p.setZone(minutes + 60)
	}
	if _, unit := unitOf(p.peek(2).text); (sign == "+" || sign == "-") && t.digits > 0 && !unit {
		p.skip(2)
		shift, err := p.offset(map[string]int{"+": 1, "-": -1}[sign], t)
		if err != nil {
			return err
		}
		minutes += shift
	}
	return p.setZone(minutes)
}

// ordinal reads the unit or weekday that "last", "next" and so on count.
func (p *dateParser) ordinal(n int, t dateToken) error {
	if unit, ok := unitOf(t.text); ok {
		p.skip(1)
		p.addDistance(unit, n)
		return nil
	}
	if t.text == "" {
		return errDate
	}
	p.skip(1)
	return p.setWeekday(t.text, n)
}

func (p *dateParser) setWeekday(name string, nth int) error {
	day := nameIndex(dateDays, name)
	if day < 0 || p.weekdays {
		return errDate
	}
	p.take(",")
	p.weekday, p.nth, p.weekdays = day, nth, true
	return nil
}

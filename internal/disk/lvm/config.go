package lvm

import (
	"strconv"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Limits of a text, which bound the memory for what is read of it.
const (
	maxDepth  = 8
	maxValues = 200_000
)

// section is a part of the metadata's text: lvm.conf(5) describes its syntax.
// A value is a string, an int64, a list []any of such, or a section.
type section map[string]any

func (s section) section(key string) section { v, _ := s[key].(section); return v }
func (s section) text(key string) string     { v, _ := s[key].(string); return v }
func (s section) number(key string) int64    { v, _ := s[key].(int64); return v }
func (s section) list(key string) []any      { v, _ := s[key].([]any); return v }

// has reports whether the list key has value in it.
func (s section) has(key, value string) bool {
	for _, v := range s.list(key) {
		if v == value {
			return true
		}
	}
	return false
}

// parseGroup returns the one volume group that a text describes.
func parseGroup(text []byte) (name string, group section, err error) {
	p := &parser{rest: string(text)}
	top, err := p.section(0)
	if err != nil {
		return "", nil, err
	}
	for key, value := range top {
		if s, ok := value.(section); ok {
			if group != nil {
				return "", nil, diskerr.Corrupt("text with two volume groups, %q and %q", name, key)
			}
			name, group = key, s
		}
	}
	if group == nil {
		return "", nil, diskerr.Corrupt("text without a volume group")
	}
	return name, group, nil
}

type parser struct {
	rest   string
	values int
}

func (p *parser) corrupt(want string) error {
	return diskerr.Corrupt("text with %.20q where %s should be", p.rest, want)
}

// space drops spaces and comments.
func (p *parser) space() {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n")
		if !strings.HasPrefix(p.rest, "#") {
			return
		}
		_, p.rest, _ = strings.Cut(p.rest, "\n")
	}
}

// take drops token, which must come next.
func (p *parser) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return ok
}

// section reads settings up to the brace that ends them, at depth 0 up to the
// end of the text.
func (p *parser) section(depth int) (section, error) {
	s := section{}
	for {
		if depth > 0 && p.take("}") {
			return s, nil
		}
		if p.space(); depth == 0 && p.rest == "" {
			return s, nil
		}
		key := p.word()
		if key == "" {
			return nil, p.corrupt("a name")
		}
		value, err := p.setting(depth)
		if err != nil {
			return nil, err
		}
		s[key] = value
	}
}

func (p *parser) setting(depth int) (any, error) {
	if p.take("=") {
		return p.value(depth)
	}
	if !p.take("{") {
		return nil, p.corrupt("= or {")
	}
	if depth == maxDepth {
		return nil, diskerr.Corrupt("text with more than %d sections in each other", maxDepth)
	}
	return p.section(depth + 1)
}

func (p *parser) value(depth int) (any, error) {
	if p.values++; p.values > maxValues {
		return nil, diskerr.Unsupported("text of more than %d values", maxValues)
	}
	if p.take(`"`) {
		return p.quoted()
	}
	if p.take("[") {
		return p.items(depth)
	}
	word := p.word()
	if word == "" {
		return nil, p.corrupt("a value")
	}
	if number, err := strconv.ParseInt(word, 10, 64); err == nil {
		return number, nil
	}
	return word, nil
}

// items reads a list, which holds no other lists.
func (p *parser) items(depth int) ([]any, error) {
	list := []any{}
	for !p.take("]") {
		if strings.HasPrefix(p.rest, "[") {
			return nil, p.corrupt("an item")
		}
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
		if !p.take(",") && !strings.HasPrefix(p.rest, "]") {
			return nil, p.corrupt(", or ]")
		}
	}
	return list, nil
}

// quoted reads the rest of a string, in which a backslash comes before a quote
// or a backslash.
func (p *parser) quoted() (string, error) {
	var text strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return text.String(), nil
		case '\\':
			if i++; i < len(p.rest) {
				text.WriteByte(p.rest[i])
			}
		default:
			text.WriteByte(c)
		}
	}
	return "", p.corrupt("the end of a string")
}

// word reads a name or a number.
func (p *parser) word() string {
	p.space()
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.+/", r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of one YAML file.
const (
	maxYAML      = 512 << 10
	maxYAMLDepth = 40
	maxYAMLNodes = 20000
)

// cloudDirs names the files that cloud-init's configuration is made of.
const (
	cloudConfig    = "/etc/cloud/cloud.cfg"
	cloudConfigDir = "/etc/cloud/cloud.cfg.d"
)

// config is cloud-init's effective configuration: cloud.cfg and the files of
// cloud.cfg.d merged as cloud-init does (util.read_conf_with_confd).
type config struct {
	root *value
	// list is datasource_list as ds-identify sees it; nil where it sees none.
	list *listing
	// err says why not all of it could be read.
	err error
}

// listing is the line that ds-identify takes datasource_list from.
type listing struct {
	names []string
	where string
}

// value is one YAML value and where it stands.
type value struct {
	dict   map[string]*value
	items  []*value
	text   string
	isDict bool
	isList bool
	null   bool
	where  string // file:line
}

// loadConfig reads and merges cloud-init's configuration.
func loadConfig(t *tree) config {
	n := &notes{}
	c := config{root: &value{isDict: true, dict: map[string]*value{}}}
	for _, file := range append([]string{cloudConfig}, t.glob(n, cloudConfigDir, "*.cfg")...) {
		text, ok := t.text(n, file)
		if !ok {
			continue
		}
		if l := datasourceLine(file, text); l != nil {
			c.list = l
		}
		v, err := parseYAML(file, text)
		if err != nil {
			n.unknown("%v", err)
			continue
		}
		c.root = merge(c.root, v)
	}
	if len(n.open) > 0 {
		c.err = errors.New(strings.Join(cut(n.open), "; "))
	}
	return c
}

// datasourceLine returns the last line of a file that ds-identify takes for
// datasource_list (tools/ds-identify, check_config): one line only, whatever
// stands before it, comments cut off. A list over several lines has no names
// there.
func datasourceLine(file, text string) *listing {
	var found *listing
	for n, line := range lines(text) {
		line, _, _ = strings.Cut(line, "#")
		_, rest, ok := strings.Cut(line, "datasource_list")
		if !ok {
			continue
		}
		rest = strings.TrimLeft(strings.TrimLeft(rest, `"'`), " \t")
		if rest, ok = strings.CutPrefix(rest, ":"); !ok {
			continue
		}
		found = &listing{names: flowNames(rest), where: at(file, n, line)}
	}
	return found
}

// flowNames returns the entries of a list on one line as ds-identify splits it
// (parse_yaml_array): the brackets may be missing.
func flowNames(s string) []string {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "["), "]")
	var names []string
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.Trim(strings.TrimSpace(name), `"'`); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// parseYAML reads one document. What an alias stands for counts each time, so
// that a small file does not become a large value.
func parseYAML(file, text string) (*value, error) {
	if len(text) > maxYAML {
		return nil, fmt.Errorf("%s: larger than the %d bytes that are read of a YAML file", file, maxYAML)
	}
	if strings.HasPrefix(text, "## template:") {
		return nil, fmt.Errorf("%s:1: a template: only plain YAML is read", file)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("%s: not YAML: %s", file, quote(err.Error()))
	}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return &value{isDict: true, dict: map[string]*value{}, where: file}, nil
	}
	left := maxYAMLNodes
	v, err := convert(file, doc.Content[0], maxYAMLDepth, &left)
	if err != nil {
		return nil, err
	}
	if v.null {
		return &value{isDict: true, dict: map[string]*value{}, where: file}, nil
	}
	if !v.isDict {
		return nil, fmt.Errorf("%s: not a YAML mapping", file)
	}
	return v, nil
}

func convert(file string, node *yaml.Node, depth int, left *int) (*value, error) {
	*left--
	if depth == 0 || *left < 0 {
		return nil, fmt.Errorf("%s:%d: YAML too deep or too large", file, node.Line)
	}
	v := &value{where: fmt.Sprintf("%s:%d", file, node.Line)}
	switch node.Kind {
	case yaml.AliasNode:
		return convert(file, node.Alias, depth-1, left)
	case yaml.ScalarNode:
		v.text, v.null = node.Value, node.Tag == "!!null"
	case yaml.SequenceNode:
		v.isList = true
		for _, item := range node.Content {
			e, err := convert(file, item, depth-1, left)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, e)
		}
	case yaml.MappingNode:
		v.isDict, v.dict = true, map[string]*value{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				return nil, fmt.Errorf("%s:%d: a YAML key that is not read (a merge, or not a plain word)", file, key.Line)
			}
			e, err := convert(file, node.Content[i+1], depth-1, left)
			if err != nil {
				return nil, err
			}
			e.where = fmt.Sprintf("%s:%d", file, key.Line)
			v.dict[key.Value] = e
		}
	default:
		return nil, fmt.Errorf("%s:%d: a kind of YAML that is not read", file, node.Line)
	}
	return v, nil
}

// merge lays over on top of base: mappings merge, everything else replaces.
func merge(base, over *value) *value {
	if base == nil || !base.isDict || !over.isDict {
		return over
	}
	merged := &value{isDict: true, dict: map[string]*value{}, where: over.where}
	for k, v := range base.dict {
		merged.dict[k] = v
	}
	for k, v := range over.dict {
		merged.dict[k] = merge(merged.dict[k], v)
	}
	return merged
}

// get returns the value at a path of keys, or nil.
func (v *value) get(keys ...string) *value {
	for _, key := range keys {
		if v == nil || !v.isDict {
			return nil
		}
		v = v.dict[key]
	}
	return v
}

// contains reports whether a list has the item text.
func (v *value) contains(text string) bool {
	return v != nil && slices.ContainsFunc(v.items, func(item *value) bool { return item.text == text })
}

// isFalse and isTrue read a boolean as cloud-init does (util.is_false and
// is_true over what YAML 1.1 takes for one).
func (v *value) isFalse() bool {
	return v != nil && slices.Contains([]string{"false", "off", "no", "0", "n"}, strings.ToLower(v.text))
}

func (v *value) isTrue() bool {
	return v != nil && slices.Contains([]string{"true", "on", "yes", "1", "y"}, strings.ToLower(v.text))
}

// String shows a value in evidence.
func (v *value) String() string {
	switch {
	case v.isList:
		names := make([]string, len(v.items))
		for i, item := range v.items {
			names[i] = item.String()
		}
		return quote("[" + strings.Join(names, ", ") + "]")
	case v.isDict:
		return "{…}"
	case v.null:
		return "null"
	}
	return quote(v.text)
}

// modules returns the position and value of each module in one of cloud-init's
// three lists, by its name with underscores.
func (c config) modules(stage string) map[string]module {
	found := map[string]module{}
	list := c.root.get(stage)
	if list == nil {
		return found
	}
	for i, item := range list.items {
		if item.isList && len(item.items) > 0 {
			item = item.items[0]
		}
		name := strings.ReplaceAll(strings.TrimPrefix(item.text, "cc_"), "-", "_")
		found[name] = module{position: i, where: item.where}
	}
	return found
}

type module struct {
	position int
	where    string
}
